import { type Item, nameOf } from "./item";

/** What the server says of an item of a table, which it names by its place, with the item's name. */
export function readable(why: Error, items: readonly Item[]): Error {
  const text = why.message.replace(/(?:table\.)?items\[(\d+)\]\.?/g, (whole, place: string) => ((item) => (item ? `${nameOf(item)}, ` : whole))(items[parseInt(place)]));
  return new Error(text.charAt(0).toUpperCase() + text.slice(1));
}
