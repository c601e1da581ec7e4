import { useSyncExternalStore } from "react";

// What a view shows is in its address, so that a link reproduces it. The Navigation API tells of links of the router, too, where the path stays;
// a browser without it still has changes made here, and back and forward.
const changed = new Set<() => void>();
addEventListener("popstate", () => changed.forEach((l) => l()));
(window as { navigation?: EventTarget }).navigation?.addEventListener("currententrychange", () => changed.forEach((l) => l()));

/** The query of the address, and what changes some of it; "" or [] takes a name out. The history keeps one entry for each view, not for each key pressed. */
export function useQuery(): [URLSearchParams, (change: Record<string, string | string[]>) => void] {
  const search = useSyncExternalStore((l) => (changed.add(l), () => changed.delete(l)), () => location.search);
  return [new URLSearchParams(search), change];
}

function change(some: Record<string, string | string[]>) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(some)) {
    query.delete(name);
    for (const v of [value].flat()) if (v !== "") query.append(name, v);
  }
  const text = query.toString();
  history.replaceState(null, "", location.pathname + (text && `?${text}`));
  changed.forEach((l) => l());
}
