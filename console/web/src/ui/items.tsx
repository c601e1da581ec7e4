import { Fragment } from "react";
import { Number, short } from "./format";

type Item = { item: string; version?: string; count?: number };

const nameOf = (i: Item) => `${i.item}${i.version ? ` ${i.version}` : ""}`;

/** What a request is about: items, and how many of each. */
export const Items = ({ of }: { of: readonly Item[] }) => <>{of.map((i, n) => <Fragment key={n}>{n > 0 && ", "}{nameOf(i)}{i.count !== undefined && <> ×<Number value={i.count} /></>}</Fragment>)}</>;

/** The same as text. */
export const itemsInWords = (of: readonly Item[]) => of.map((i) => `${nameOf(i)}${i.count === undefined ? "" : ` ×${short(i.count)}`}`).join(", ");
