import { numberOf } from "./exact";

// Sums and products of amounts, exact as the server's: a JavaScript number makes 0.30000000000000004 of 0.1 + 0.2.

type Decimal = { digits: bigint; scale: number };

/** How many fractional digits a rate or an amount has at most. */
export const scaleMost = 12;

function read(n: number): Decimal {
  const [, sign, whole, fraction = "", power = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(String(n)) ?? ["", "", "0"];
  const scale = fraction.length - parseInt(power);
  const digits = BigInt(sign + whole + fraction);
  return scale < 0 ? { digits: digits * 10n ** BigInt(-scale), scale: 0 } : { digits, scale };
}

function write(d: Decimal): number {
  return numberOf(text(d));
}

function text({ digits, scale }: Decimal): string {
  const negative = digits < 0n;
  const all = (negative ? -digits : digits).toString().padStart(scale + 1, "0");
  const [whole, fraction] = [all.slice(0, all.length - scale), all.slice(all.length - scale).replace(/0+$/, "")];
  return (negative ? "-" : "") + whole + (fraction && `.${fraction}`);
}

function add(a: Decimal, b: Decimal): Decimal {
  const scale = Math.max(a.scale, b.scale);
  const at = (d: Decimal) => d.digits * 10n ** BigInt(scale - d.scale);
  return { digits: at(a) + at(b), scale };
}

/** Rounds half to even at the last digit that an amount has. */
function round({ digits, scale }: Decimal): Decimal {
  if (scale <= scaleMost) return { digits, scale };
  const unit = 10n ** BigInt(scale - scaleMost);
  const [whole, rest] = [digits / unit, digits % unit];
  const twice = 2n * (rest < 0n ? -rest : rest);
  const up = twice > unit || (twice === unit && whole % 2n !== 0n);
  return { digits: whole + (up ? (digits < 0n ? -1n : 1n) : 0n), scale: scaleMost };
}

/** All digits of an amount, as people write them: 0.00000015, and not 1.5e-7. */
export const digits = (n: number) => text(read(n));

export const plus = (a: number, b: number) => write(add(read(a), read(b)));
export const minus = (a: number, b: number) => write(add(read(a), negated(read(b))));
export const times = (a: number, b: number) => write(round({ digits: read(a).digits * read(b).digits, scale: read(a).scale + read(b).scale }));

/** a over b; b is not 0. */
export function over(a: number, b: number): number {
  const [x, y] = [read(a), read(b)];
  const far = scaleMost + 8; // and what is behind that only decides a tie
  const shift = far + y.scale - x.scale;
  const digits = shift >= 0 ? (x.digits * 10n ** BigInt(shift)) / y.digits : x.digits / (y.digits * 10n ** BigInt(-shift));
  return write(round({ digits, scale: far }));
}

const negated = ({ digits, scale }: Decimal): Decimal => ({ digits: -digits, scale });

export const isEqual = (a: number, b: number) => minus(a, b) === 0;
export const greater = (a: number, b: number) => minus(a, b) > 0;
export const smaller = (a: number, b: number) => (greater(a, b) ? b : a);
export const atLeast0 = (a: number) => (a > 0 ? a : 0);

/** The sum of what each has of something. */
export const sumBy = <T,>(all: readonly T[], of: (t: T) => number) => write(all.reduce((sum, t) => add(sum, read(of(t))), read(0)));
