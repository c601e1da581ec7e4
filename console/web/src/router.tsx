import { type AnchorHTMLAttributes, useSyncExternalStore } from "react";

const base = "/console";
const moved = new Set<() => void>();
addEventListener("popstate", () => moved.forEach((l) => l()));

/** The path below /console, such as /customers/x. */
export function usePath(): string {
  return useSyncExternalStore((l) => (moved.add(l), () => moved.delete(l)), () => location.pathname.slice(base.length) || "/");
}

export function go(path: string) {
  if (base + path !== location.pathname + location.search) history.pushState(null, "", base + path);
  moved.forEach((l) => l());
  scrollTo(0, 0);
}

/** A real link, which opens in a new tab as links do. */
export function Link({ to, ...rest }: { to: string } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  return (
    <a
      {...rest}
      href={base + to}
      onClick={(e) => {
        if (e.metaKey || e.ctrlKey || e.shiftKey || e.button !== 0) return;
        e.preventDefault();
        go(to);
      }}
    />
  );
}
