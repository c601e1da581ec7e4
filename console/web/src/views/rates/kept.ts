import { parse } from "../../api/exact";
import { begin, type Draft } from "./drafted";
import type { Item, Version } from "./item";

// Drafts are the tab's: of each its steps while the page is there, and after a reload what it came to. What does not fit a tab's storage is lost with the
// page, so then leaving asks.

const steps = new Map<string, readonly Draft[]>();
const unkept = new Set<string>();
const keyOf = (from: Version) => `farebox.draft ${JSON.stringify([from.series, from.version, from.created])}`;

/** Whether a draft was begun from a version. */
export const begun = (from: Version) => (steps.get(keyOf(from))?.length ?? 0) > 1 || sessionStorage.getItem(keyOf(from)) !== null;

/** The steps of the draft from a version that has these items, the first of which changed nothing. */
export function recall(from: Version, items: readonly Item[]): readonly Draft[] {
  const known = steps.get(keyOf(from));
  if (known) return known;
  const text = sessionStorage.getItem(keyOf(from));
  return text === null ? [begin(items)] : [begin(items), read(items, text)];
}

export function keep(from: Version, history: readonly Draft[]) {
  const key = keyOf(from);
  steps.set(key, history);
  const draft = history.at(-1);
  sessionStorage.removeItem(key);
  unkept.delete(key);
  if (draft && history.length > 1) {
    try {
      sessionStorage.setItem(key, written(draft));
    } catch {
      unkept.add(key);
    }
  }
  onbeforeunload = unkept.size > 0 ? (e) => e.preventDefault() : null;
}

export function forget(from: Version) {
  keep(from, []);
  steps.delete(keyOf(from));
}

const written = (d: Draft) => JSON.stringify({ changed: [...d.changed], added: [...d.added], removed: [...d.removed] });

function read(base: readonly Item[], text: string): Draft {
  const { changed, added, removed } = parse(text) as { changed: [string, Item][]; added: [string, Item][]; removed: string[] };
  return { base, changed: new Map(changed), added: new Map(added), removed: new Set(removed) };
}
