import { useEffect, useState } from "react";

/** What was loaded, or how far that is; `old`: what was there `since` then, as it could not be loaded again. */
export type Loaded<T> =
  | { state: "loading" }
  | { state: "error"; error: Error; retry: () => void }
  | { state: "old"; error: Error; retry: () => void; data: T; since: number }
  | { state: "ready"; data: T; since: number };

const loaders = new Set<() => void>();

/** Something was changed: all that is shown is loaded again, and what was there stays until then. */
export const reload = () => loaders.forEach((again) => again());

addEventListener("online", reload);

const restPerWork = 4; // so that what takes the server long is asked of it seldom

/**
 * Loads what a key names, again when it changes and, if told, every so many milliseconds while the page is seen. What was there stays until
 * the new has come, also when that fails: whoever reads it, or fills in a form in it, goes on.
 */
export function useLoad<T>(key: string, load: () => Promise<T>, everyMS = 0): Loaded<T> {
  const [result, set] = useState<{ key: string; value: Loaded<T> }>({ key, value: { state: "loading" } });
  const [attempt, again] = useState(0);
  useEffect(() => {
    const changed = () => again((n) => n + 1);
    loaders.add(changed);
    return () => void loaders.delete(changed);
  }, []);
  useEffect(() => {
    let live = true;
    let timer = 0;
    const run = async () => {
      const began = performance.now();
      if (!document.hidden || everyMS === 0) {
        try {
          const data = await load();
          if (live) set({ key, value: { state: "ready", data, since: Date.now() } });
        } catch (error) {
          if (live) set((last) => ({ key, value: failed(last.key === key ? last.value : { state: "loading" }, error as Error) }));
        }
      }
      if (live && everyMS > 0) timer = window.setTimeout(() => void run(), Math.max(everyMS, restPerWork * (performance.now() - began)));
    };
    void run();
    return () => {
      live = false;
      clearTimeout(timer);
    };
    // load is new on every render; key says what it loads.
  }, [key, attempt, everyMS]);
  return result.key === key ? result.value : { state: "loading" };
}

// What made one fail has made others fail, so another try is one of all.
const failed = <T,>(last: Loaded<T>, error: Error): Loaded<T> =>
  "data" in last ? { state: "old", error, retry: reload, data: last.data, since: last.since } : { state: "error", error, retry: reload };

const typingMS = 200; // after which somebody who types has paused

/** A text as it is once nobody types any more. */
export function usePaused(text: string): string {
  const [paused, set] = useState(text);
  useEffect(() => {
    const timer = window.setTimeout(() => set(text), typingMS);
    return () => clearTimeout(timer);
  }, [text]);
  return paused;
}
