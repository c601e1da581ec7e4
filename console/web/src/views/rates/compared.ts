import { allOf, type Item, keyOf, priceOf, termsOf } from "./item";

export type Difference = { key: string; change: "added" | "removed" | "dearer" | "cheaper" | "other terms"; before?: Item; after?: Item };

/** What one list of items changes in another; what stays is left out. As the server compares two versions, of one that it does not know yet. */
export function compare(before: readonly Item[], after: readonly Item[]): Difference[] {
  const old = new Map(before.map((i) => [keyOf(i), i]));
  const out: Difference[] = [];
  for (const a of after) {
    const key = keyOf(a);
    const b = old.get(key);
    old.delete(key);
    if (!b) out.push({ key, change: "added", after: a });
    else if (allOf(a) !== allOf(b)) out.push({ key, change: kindOf(b, a), before: b, after: a });
  }
  for (const [key, b] of old) out.push({ key, change: "removed", before: b });
  return out;
}

function kindOf(b: Item, a: Item): Difference["change"] {
  if (b.formula || a.formula || (priceOf(a) === priceOf(b) && termsOf(a) !== termsOf(b))) return "other terms";
  return (a.rate ?? 0) > (b.rate ?? 0) ? "dearer" : "cheaper";
}
