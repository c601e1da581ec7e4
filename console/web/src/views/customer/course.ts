import type { Schemas } from "../../api/client";

export type LineItem = Schemas["LineItemBalance"];
export type Point = { at: number; left: number };

/** When somewhat is likely; at the earliest and the latest, in 8 of 10 futures. Milliseconds since 1970, and never: Infinity. */
export type Expected = { earliest: number; likely: number; latest: number };

/** How a line item went and is likely to go on. `left` is below zero in overdraft. */
export type Course = {
  from: number; // what is drawn
  to: number;
  begins: number; // of a recurring one, the allowance that runs
  ends: number;
  now: number;
  past: Point[];
  ahead: { likely: Point[]; range: Point[] } | null; // range: around, so that it can be filled
  highest: number;
  lowest: number;
};

const day = 86_400_000;
const horizon = 400 * day; // of the forecast

/** A day of the forecast, which is one in UTC, as its end. */
export const expected = (of: Schemas["ForecastDay"]): Expected => {
  const at = (date: string | undefined) => (date === undefined ? Infinity : Date.parse(`${date}T23:59:59Z`));
  return { earliest: at(of.earliest), likely: at(of.likely), latest: at(of.latest) };
};

/** When the period began that lasts until its next reset. */
export function began(l: LineItem): number {
  if (!l.resetFrequency || l.nextReset === undefined) return l.start;
  const at = new Date(l.nextReset);
  const date = at.getUTCDate();
  if (l.resetFrequency === "DAY") at.setUTCDate(date - 1);
  else if (l.resetFrequency === "WEEK") at.setUTCDate(date - 7);
  else {
    const months = l.resetFrequency === "MONTH" ? 1 : l.resetFrequency === "QUARTER" ? 3 : 12;
    at.setUTCDate(1);
    at.setUTCMonth(at.getUTCMonth() - months);
    at.setUTCDate(Math.min(date, new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 0)).getUTCDate()));
  }
  return Math.max(l.start, at.getTime());
}

/**
 * The course of a line item: back from how it stands, by what was used in each interval, and on by its forecast. It is drawn from when those before it
 * in the order have run out (`after`).
 */
export function course(l: LineItem, used: readonly { from: number; to?: number; tokens: number }[], forecast: Schemas["LineItemForecast"] | undefined, after: Expected | null, now: number): Course {
  const begins = began(l);
  const ends = l.nextReset ?? l.end;
  const past = pastOf(l, used, begins, Math.min(now, ends));
  const ahead = forecast && now < ends ? aheadOf(l, forecast, after, now, ends) : null;
  const to = Math.max(until(forecast, l.quantity <= l.used, begins, ends, now), past.at(-1)?.at ?? 0);
  const limit = l.overdraftLeft === undefined ? 0 : l.overdraftLeft + l.overdraftUsed;
  const lowest = Math.min(0, -Math.min(limit, Math.max(l.quantity * 0.5, l.overdraftUsed * 1.15)), -l.overdraftUsed * 1.05);
  return { from: Math.min(begins, now), to, begins, ends, now, past, ahead, highest: Math.max(l.quantity, 1, ...past.map((p) => p.left)), lowest };
}

function pastOf(l: LineItem, used: readonly { from: number; to?: number; tokens: number }[], begins: number, end: number): Point[] {
  if (begins >= end) return [];
  let left = l.quantity - l.used;
  const points: Point[] = [{ at: end, left }];
  for (const row of [...used].sort((a, b) => b.from - a.from)) {
    const to = Math.min(row.to ?? end, end);
    if (to < (points[0]?.at ?? end)) points.unshift({ at: to, left });
    left += row.tokens;
    points.unshift({ at: Math.max(row.from, begins), left });
  }
  if ((points[0]?.at ?? end) > begins) points.unshift({ at: begins, left });
  return points;
}

function aheadOf(l: LineItem, forecast: Schemas["LineItemForecast"], after: Expected | null, now: number, ends: number): Course["ahead"] {
  const left = Math.max(0, l.quantity - l.used);
  if (left === 0) return null;
  const start = after ?? { earliest: now, likely: now, latest: now };
  if (!forecast.runsOut && !forecast.expiresUnused) return null;
  const out = forecast.runsOut ? expected(forecast.runsOut) : { earliest: Infinity, likely: Infinity, latest: Infinity };
  const unused = forecast.expiresUnused ?? { least: left, likely: left, most: left };
  // What is not used up by its end is at what is then left.
  const path = (from: number, gone: number, rest: number): Point[] => {
    const flat = { at: Math.min(from, ends, now + horizon), left };
    const last = gone <= ends && isFinite(gone) ? { at: Math.max(gone, flat.at), left: 0 } : { at: Math.min(ends, now + horizon), left: Math.min(rest, left) };
    return [{ at: now, left }, flat, last];
  };
  const soon = path(start.earliest, out.earliest, unused.least);
  const late = path(start.latest, out.latest, unused.most);
  return { likely: path(start.likely, out.likely, unused.likely), range: [...soon, ...late.toReversed()] };
}

/** Up to when a course is drawn: a little past the forecast, and never past the end. */
function until(forecast: Schemas["LineItemForecast"] | undefined, gone: boolean, begins: number, ends: number, now: number): number {
  if (ends <= now) return ends;
  const passed = Math.max(now - begins, 60_000);
  const out = forecast?.runsOut ? expected(forecast.runsOut) : null;
  const last = gone ? now : out ? (isFinite(out.latest) ? out.latest : now + horizon) : forecast?.expiresUnused ? now + horizon : now + passed;
  const wanted = Math.max(now + (last - now) * 1.2, now + passed * 0.25);
  // The end is shown when that costs the rest no more than half of its width.
  return ends - begins <= 2 * (wanted - begins) ? ends : wanted;
}

/** When those before each line item have run out; null while there are none. */
export function queue(lineItems: readonly LineItem[], forecast: Schemas["Forecast"] | undefined): Map<string, Expected> {
  const of = new Map(forecast?.lineItems.map((f) => [f.activationId, f]));
  const after = new Map<string, Expected>();
  let last: Expected | null = null;
  for (const l of lineItems) {
    if (!l.usable) continue;
    if (last) after.set(l.activationId, last);
    const f = of.get(l.activationId);
    if (!f?.runsOut || l.balance <= 0) continue;
    const own = expected(f.runsOut);
    last = last ? { earliest: Math.max(last.earliest, own.earliest), likely: Math.max(last.likely, own.likely), latest: Math.max(last.latest, own.latest) } : own;
  }
  return after;
}
