const grouped = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const exact = new Intl.NumberFormat(undefined, { maximumFractionDigits: 20 });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const second = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }); // of what happened just now
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

export const short = (n: number) => grouped.format(n);

/** A number of tokens, or of anything: grouped, with all digits on hover. */
export function Number({ value }: { value: number }) {
  return <span className="number" title={exact.format(value)}>{short(value)}</span>;
}

/** A time in the viewer's zone, with UTC on hover. */
export function Time({ ms, only }: { ms: number; only?: "day" | "second" }) {
  const at = new Date(ms);
  return <time dateTime={at.toISOString()} title={at.toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC")}>{(only === "day" ? day : only === "second" ? second : moment).format(at)}</time>;
}
