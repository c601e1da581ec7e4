import { useEffect, useState, useSyncExternalStore } from "react";
import "./toast.css";

// Toasts are told from anywhere and shown in one place: on top of whatever is open.
type Toast = { id: number; text: string };
type State = { toasts: readonly Toast[]; places: readonly symbol[] };

let state: State = { toasts: [], places: [] };
let lastToast = 0;
const watchers = new Set<() => void>();
const set = (some: Partial<State>) => ((state = { ...state, ...some }), watchers.forEach((w) => w()));
const toastMS = 8_000; // long enough to read two lines

/** Says what was done, for a while. */
export function toast(text: string) {
  const id = ++lastToast;
  set({ toasts: [...state.toasts, { id, text }] });
  setTimeout(() => dismiss(id), toastMS);
}

const dismiss = (id: number) => set({ toasts: state.toasts.filter((t) => t.id !== id) });

/**
 * Where toasts are shown: in the page, and in each dialog, since a modal one lies over all else and lets nothing else be pressed or read aloud. The place
 * that came last has them. It is there before it is filled, as what is read aloud must be.
 */
export function Toasts() {
  const [place] = useState(() => Symbol());
  useEffect(() => {
    set({ places: [...state.places, place] });
    return () => set({ places: state.places.filter((p) => p !== place) });
  }, [place]);
  const { toasts, places } = useSyncExternalStore((w) => (watchers.add(w), () => watchers.delete(w)), () => state);
  return <div className="toasts" role="status">{places.at(-1) === place && toasts.map((t) => <p key={t.id} className="toast"><span>{t.text}</span><button type="button" aria-label="Dismiss" onClick={() => dismiss(t.id)}>×</button></p>)}</div>;
}
