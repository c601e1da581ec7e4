import { useState } from "react";

/** Where one is in a list that the API pages with cursors. `key` names the list: another begins at its beginning. */
export type Cursor = { at: string; first: boolean; older: (next: string) => void; newer: () => void };

export function useCursor(key: string): Cursor {
  const [behind, set] = useState<{ key: string; cursors: string[] }>({ key, cursors: [] });
  const cursors = behind.key === key ? behind.cursors : [];
  return {
    at: cursors.at(-1) ?? "",
    first: cursors.length === 0,
    older: (next) => set({ key, cursors: [...cursors, next] }),
    newer: () => set({ key, cursors: cursors.slice(0, -1) }),
  };
}

/** Newer and older pages of such a list; nothing when there is but one. */
export function CursorPages({ label, cursor, next }: { label: string; cursor: Cursor; next: string | undefined }) {
  if (cursor.first && !next) return null;
  return (
    <nav className="pages" aria-label={`Pages of ${label}`}>
      <button disabled={cursor.first} onClick={cursor.newer}>Newer</button>
      <button disabled={!next} onClick={() => next && cursor.older(next)}>Older</button>
    </nav>
  );
}
