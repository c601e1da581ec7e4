import { type Item, keyOf } from "./item";

/** A version that is not there yet: what it began from, and what is different. Items stay in their order; new ones come last. */
export type Draft = { readonly base: readonly Item[]; readonly changed: ReadonlyMap<string, Item>; readonly added: ReadonlyMap<string, Item>; readonly removed: ReadonlySet<string> };

export const begin = (base: readonly Item[]): Draft => ({ base, changed: new Map(), added: new Map(), removed: new Set() });

/** One of the draft's items, and how it was; `after` is undefined of one that was removed, `before` of one that was added. */
export type Row = { key: string; before?: Item; after?: Item; shown: Item };

export function rowsOf(d: Draft): Row[] {
  const rows = d.base.map((before): Row => {
    const key = keyOf(before);
    const after = d.removed.has(key) ? undefined : (d.changed.get(key) ?? before);
    return { key, before, ...(after ? { after } : {}), shown: after ?? before };
  });
  for (const [key, after] of d.added) rows.push({ key, after, shown: after });
  return rows;
}

export const itemsOf = (d: Draft): Item[] => rowsOf(d).flatMap((r) => r.after ?? []);

export const isChanged = (r: Row) => r.before !== r.after;

/** The draft with other items in place of those of the same name and version. */
export function put(d: Draft, items: readonly Item[]): Draft {
  const [changed, added, removed] = [new Map(d.changed), new Map(d.added), new Set(d.removed)];
  const base = new Set(d.base.map(keyOf));
  for (const item of items) {
    const key = keyOf(item);
    (base.has(key) ? changed : added).set(key, item);
    removed.delete(key);
  }
  return { ...d, changed, added, removed };
}

export function remove(d: Draft, key: string): Draft {
  const added = new Map(d.added);
  return added.delete(key) ? { ...d, added } : { ...d, removed: new Set(d.removed).add(key) };
}

/** The draft with one item as it was. */
export function restore(d: Draft, key: string): Draft {
  const [changed, removed] = [new Map(d.changed), new Set(d.removed)];
  changed.delete(key);
  removed.delete(key);
  return { ...d, changed, removed };
}

/** What a search finds: * stands for anything; without one, whatever has the text in its name, version or formula. */
export function matcher(search: string): (i: Item) => boolean {
  const text = search.trim().toLowerCase();
  if (text === "") return () => true;
  if (!text.includes("*")) return (i) => `${i.name} ${i.version ?? ""}`.toLowerCase().includes(text) || (i.formula ?? "").toLowerCase().includes(text);
  const pattern = new RegExp(`^${text.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`);
  return (i) => pattern.test(i.name.toLowerCase()) || pattern.test(`${i.name} ${i.version ?? ""}`.trim().toLowerCase());
}
