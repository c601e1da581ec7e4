import { useEffect, useState } from "react";

export type Loaded<T> = { state: "loading" } | { state: "error"; error: Error; retry: () => void } | { state: "ready"; data: T };

const loaders = new Set<() => void>();

/** Something was changed: all that is shown is loaded again, and what was there stays until then. */
export const reload = () => loaders.forEach((again) => again());

/**
 * Loads what a key names, again when it changes and, if told, every so many milliseconds while the page is seen. What was there stays until
 * the new has come.
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
    const retry = () => again((n) => n + 1);
    const run = async () => {
      if (!document.hidden || everyMS === 0) {
        try {
          const data = await load();
          if (live) set({ key, value: { state: "ready", data } });
        } catch (error) {
          if (live) set({ key, value: { state: "error", error: error as Error, retry } });
        }
      }
      if (live && everyMS > 0) timer = window.setTimeout(() => void run(), everyMS);
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
