const grouped = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const exact = new Intl.NumberFormat(undefined, { maximumFractionDigits: 20 });
const hundredths = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const second = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }); // of what happened just now
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const utcDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });

// From its text, since an amount may have more digits than a number (api/exact.ts).
const written = (format: Intl.NumberFormat, n: number) => format.format(String(n) as Intl.StringNumericLiteral);

export const short = (n: number) => written(grouped, n);

/** The same with all its digits. */
export const full = (n: number) => written(exact, n);

/** A number of tokens, or of anything: grouped, with all digits on hover. */
export function Number({ value }: { value: number }) {
  return <span className="number" title={written(exact, value)}>{short(value)}</span>;
}

/** A part of a whole as a percentage. */
export const percent = (part: number) => hundredths.format(part);

/** A day of UTC, given as 2026-01-31. */
export const dayOfUTC = (date: string) => utcDay.format(Date.parse(date));

const utc = (at: Date) => at.toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");

/** A time in the viewer's zone, with UTC on hover. */
export function Time({ ms, only }: { ms: number; only?: "day" | "second" }) {
  const at = new Date(ms);
  return <time dateTime={at.toISOString()} title={utc(at)}>{(only === "day" ? day : only === "second" ? second : moment).format(at)}</time>;
}

const isToday = (ms: number) => new Date(ms).toDateString() === new Date().toDateString();

/** When something happened: of today the time to the second, of another day the day and the time. */
export const When = ({ ms }: { ms: number }) => <Time ms={ms} {...(isToday(ms) ? { only: "second" as const } : {})} />;

const units = { W: "week", D: "day", H: "hour", M: "minute", S: "second" } as const;

/** A period, such as P30D or PT1H30M, in words. */
export const periodInWords = (period: string) => (period.match(/\d+[WDHMS]/g) ?? []).map((part) => ((n, unit) => `${full(n)} ${unit}${n === 1 ? "" : "s"}`)(parseInt(part), units[part.slice(-1) as keyof typeof units])).join(" ");

const days = [0, 1].map((maximumFractionDigits) => new Intl.NumberFormat(undefined, { style: "unit", unit: "day", unitDisplay: "long", maximumFractionDigits }));

/** So many days; of few a tenth is told. */
export const daysInWords = (n: number) => (days[n < 10 ? 1 : 0] ?? grouped).format(n);

const ahead = new Intl.RelativeTimeFormat(undefined, { numeric: "always", style: "short" });
const steps = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1_000]] as const;

/** How long it is until a time, with the time itself beside. As of when it was last rendered. */
export function Until({ ms }: { ms: number }) {
  const left = ms - Date.now();
  const [unit, size] = steps.find(([, s]) => Math.abs(left) >= s) ?? steps[3];
  return <>{ahead.format(Math.round(left / size), unit)} <span className="quiet"><Time ms={ms} {...(Math.abs(left) < 12 * 3_600_000 ? { only: "second" as const } : {})} /></span></>;
}
