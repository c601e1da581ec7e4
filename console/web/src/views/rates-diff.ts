import type { Schemas } from "../api/client";

export type Item = Schemas["RateItemV11"];
export type Difference = { key: string; change: "added" | "removed" | "changed"; before?: Item; after?: Item };

export const keyOf = (i: Item) => JSON.stringify([i.name, i.version ?? ""]);

/** The price and its terms, in words. */
export function priceOf(i: Item): string {
  const terms = [
    i.formula ? i.formula : String(i.rate ?? "no rate"),
    i.freeSeconds ? `first ${i.freeSeconds} s free` : "",
    i.window ? `once per ${i.window}` : "",
    i.cost !== undefined ? `costs ${i.cost}` : "",
  ];
  return terms.filter((t) => t !== "").join(", ");
}

/** What changes in a table from one version to another, by name; items whose price and terms stay are left out. */
export function difference(before: readonly Item[], after: readonly Item[]): Difference[] {
  const old = new Map(before.map((i) => [keyOf(i), i]));
  const out: Difference[] = [];
  for (const a of after) {
    const key = keyOf(a);
    const b = old.get(key);
    old.delete(key);
    if (!b) out.push({ key, change: "added", after: a });
    else if (priceOf(a) !== priceOf(b)) out.push({ key, change: "changed", before: b, after: a });
  }
  for (const [key, b] of old) out.push({ key, change: "removed", before: b });
  return out.sort((x, y) => (x.key < y.key ? -1 : x.key > y.key ? 1 : 0));
}
