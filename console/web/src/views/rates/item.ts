import { answer, api, type Schemas } from "../../api/client";
import { digits } from "../../api/decimal";
import { periodInWords } from "../../ui/format";

export type Item = Schemas["RateItemV11"];
export type Version = Schemas["RateTableVersion"];

export const keyOf = (i: Pick<Item, "name" | "version">) => JSON.stringify([i.name, i.version ?? ""]);
export const nameOf = (i: Pick<Item, "name" | "version">) => `${i.name}${i.version ? ` ${i.version}` : ""}`;

/** What besides the price is agreed, in words. */
export const termsOf = (i: Item) => [i.freeSeconds ? `first ${i.freeSeconds} s free` : "", i.window ? `a charge lasts ${periodInWords(i.window)}` : "", i.cost !== undefined ? `costs ${digits(i.cost)}` : ""].filter((t) => t !== "").join(", ");

export const priceOf = (i: Item) => i.formula || (i.rate === undefined ? "no rate" : digits(i.rate));

/** The price and its terms, in words. */
export const allOf = (i: Item) => [priceOf(i), termsOf(i)].filter((t) => t !== "").join(", ");

export const pageSize = 50;

/** A page of the items of a version, or of those that a search finds. */
export const page = (series: string, version: string, some: { search?: string; limit: number; offset: number }) =>
  answer(api.GET("/farebox/v1/rate-tables/items", { params: { query: { series, version, ...some } } }));

const most = 1_000; // items that the server gives at a time

/** All items of a version, page by page. */
export async function allItems(of: Pick<Version, "series" | "version" | "items">): Promise<Item[]> {
  const all: Item[] = [];
  while (all.length < of.items) {
    const { items } = await page(of.series, of.version, { limit: most, offset: all.length });
    if (items.length === 0) break;
    all.push(...items);
  }
  return all;
}
