// JSON's numbers have all their digits in the text; a JavaScript number keeps 15 of them. Here is what becomes of the others.

type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;
const parseWith = JSON.parse as (text: string, reviver: Reviver) => unknown;
const rawJSON = (JSON as unknown as { rawJSON?: (text: string) => unknown }).rawJSON;

const digitsKept = 15;
const long = /[\d.]{16}/; // what may be such a number; text without any is read the quick way
const number = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/**
 * A number with more digits than JavaScript keeps. It counts and compares as a number does, near enough for a chart; as text, and as JSON on
 * its way back, it is what the API wrote. `===` and `typeof` do not take it for a number.
 */
class Exact extends Number {
  constructor(private readonly text: string) {
    super(text);
  }
  override toString() {
    return this.text;
  }
  toJSON() {
    return rawJSON ? rawJSON(this.text) : this.valueOf();
  }
}

/** Reads JSON; numbers that JavaScript would cut keep their digits, where the browser tells a reviver of them. */
export function parse(text: string): unknown {
  if (!long.test(text)) return JSON.parse(text);
  return parseWith(text, (_key, value, context) => (typeof value === "number" && context?.source !== undefined ? kept(context.source) : value));
}

/** The number that somebody wrote, with all its digits; NaN when it is none. */
export const numberOf = (text: string): number => (number.test(text.trim()) ? kept(text.trim()) : NaN);

function kept(text: string): number {
  const digits = text.replace(/[eE].*/, "").replace(/\D/g, "").replace(/^0+/, "");
  return digits.length > digitsKept ? (new Exact(text) as unknown as number) : Number(text);
}
