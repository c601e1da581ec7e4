import { useEffect, useState } from "react";
import type { Schemas } from "../api/client";
import { token } from "../auth";

export type Live = Schemas["Live"];

/** What was decided lately, a second each, newest last; `broken` while there is no connection. */
export type Watched = { seconds: Live[]; broken: boolean };

const again = 3_000; // until a lost connection is sought again
const silence = 10_000; // after which one is taken for lost: there is an event every second

/** Watches what is charged and denied, and keeps the last so many seconds. */
export function useLive(keep: number): Watched {
  const [watched, set] = useState<Watched>({ seconds: [], broken: false });
  useEffect(() => {
    const end = new AbortController();
    const run = async () => {
      while (!end.signal.aborted) {
        try {
          await watch(end.signal, (event) => set((w) => ({ seconds: event.seconds === 0 ? w.seconds : [...w.seconds, event].slice(-keep), broken: false })));
        } catch {
          if (!end.signal.aborted) set((w) => ({ ...w, broken: true }));
        }
        if (!end.signal.aborted) await new Promise((r) => setTimeout(r, again));
      }
    };
    void run();
    return () => end.abort();
  }, [keep]);
  return watched;
}

/** Tells of every event until the stream ends. Fetched, since an EventSource sends no Authorization header. */
async function watch(signal: AbortSignal, told: (event: Live) => void): Promise<void> {
  const stream = new AbortController();
  const stop = () => stream.abort();
  signal.addEventListener("abort", stop);
  let timer = window.setTimeout(stop, silence);
  try {
    const response = await fetch("/farebox/v1/live", { headers: { Authorization: `Bearer ${token()}` }, signal: stream.signal });
    if (!response.ok || !response.body) throw new Error(`The server answered ${response.status}.`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = window.setTimeout(stop, silence);
      const events = (rest + value).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) {
        const data = event.split("\n").find((l) => l.startsWith("data:"));
        if (data) told(JSON.parse(data.slice(5)) as Live);
      }
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    stream.abort();
  }
}
