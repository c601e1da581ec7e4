import { digits, over, plus, times } from "../../api/decimal";
import { numberOf } from "../../api/exact";
import type { Item } from "./item";

const amount = String.raw`\d+(?:\.\d+)?`;

/** What becomes of a rate, and how a formula is written then. */
type Step = { rate: (old: number) => number; formula: (old: string) => string };

const factor = (by: number): Step => ({ rate: (old) => times(old, by), formula: (old) => `(${old}) * ${digits(by)}` });

/** What somebody typed for a change: ×1.25, /2, +25%, -10%, +0.5. undefined: it is none of them. */
function step(text: string): Step | undefined {
  const [, sign, number, percent] = new RegExp(`^([×x*÷/:+\\-−])\\s*(${amount})\\s*(%?)$`, "i").exec(text) ?? [];
  if (sign === undefined || number === undefined) return undefined;
  const n = numberOf(number);
  const down = sign === "-" || sign === "−";
  const signed = down ? numberOf(`-${number}`) : n;
  if (sign === "+" || down) return percent ? factor(over(plus(100, signed), 100)) : { rate: (old) => plus(old, signed), formula: (old) => `(${old}) ${down ? "-" : "+"} ${digits(n)}` };
  if (percent) return undefined;
  if (/[÷/:]/.test(sign)) return n > 0 ? { rate: (old) => over(old, n), formula: (old) => `(${old}) / ${digits(n)}` } : undefined;
  return factor(n);
}

/** Whether it says how to change a price, and not what it is to be. */
export const isStep = (text: string) => step(text.trim()) !== undefined;

/** The item at the price that somebody typed: a rate, or what the old price becomes. It throws, for people, what is neither. */
export function priced(item: Item, typed: string): Item {
  const text = typed.trim();
  const change = step(text);
  const { rate: _, formula: __, ...rest } = item;
  if (change && item.formula) return { ...rest, formula: change.formula(item.formula) };
  const rate = change ? change.rate(item.rate ?? 0) : numberOf(text);
  if (Number.isNaN(Number(rate))) throw new Error("Write a rate, such as 12.5, or a change, such as ×1.25, +25% or -10%.");
  if (rate < 0) throw new Error("A rate is not negative.");
  return { ...rest, rate, formula: "" };
}
