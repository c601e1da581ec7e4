import { useEffect, useId, useRef, useState } from "react";
import { short } from "../../ui/format";
import type { Course, Point } from "./course";
import "./burndown.css";

const height = 190;
const margin = { top: 10, right: 10, bottom: 22, left: 52 };
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const dayMonth = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const dayYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** What is left of a line item over time: what was, and what is likely, with its range; below zero is overdraft. */
export function Burndown({ of, label, limit }: { of: Course; label: string; limit: number | undefined }) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const id = useId();
  useEffect(() => {
    if (!box.current) return;
    const sized = new ResizeObserver(([e]) => setWidth(Math.round(e?.contentRect.width ?? 0)));
    sized.observe(box.current);
    return () => sized.disconnect();
  }, []);
  return <div ref={box} className="burndown">{width > 0 && <Drawing of={of} label={label} limit={limit} width={width} id={id} />}</div>;
}

function Drawing({ of, label, limit, width, id }: { of: Course; label: string; limit: number | undefined; width: number; id: string }) {
  const inner = { right: width - margin.right, bottom: height - margin.bottom };
  const span = Math.max(of.to - of.from, 1);
  const x = (at: number) => margin.left + ((at - of.from) / span) * (inner.right - margin.left);
  const y = (left: number) => margin.top + ((of.highest - left) / (of.highest - of.lowest)) * (inner.bottom - margin.top);
  const line = (points: readonly Point[]) => points.map((p) => `${x(p.at).toFixed(1)},${y(p.left).toFixed(1)}`).join(" ");
  const first = of.past[0];
  const last = of.past.at(-1);
  const area = first && last ? `${x(first.at)},${y(0)} ${line(of.past)} ${x(last.at)},${y(0)}` : "";
  return (
    <svg width={width} height={height} role="img" aria-label={label}>
      <clipPath id={`${id}up`}><rect x={margin.left} y={margin.top} width={inner.right - margin.left} height={Math.max(0, y(0) - margin.top)} /></clipPath>
      <clipPath id={`${id}down`}><rect x={margin.left} y={y(0)} width={inner.right - margin.left} height={Math.max(0, inner.bottom - y(0))} /></clipPath>
      {of.lowest < 0 && <rect className="below" x={margin.left} y={y(0)} width={inner.right - margin.left} height={inner.bottom - y(0)} />}
      {heights(of).map((v) => <g key={v}><line className={v === 0 ? "zero" : "grid"} x1={margin.left} x2={inner.right} y1={y(v)} y2={y(v)} /><text x={margin.left - 8} y={y(v) + 4} textAnchor="end">{compact.format(v)}</text></g>)}
      {limit !== undefined && limit > 0 && -limit >= of.lowest && <line className="limit" x1={margin.left} x2={inner.right} y1={y(-limit)} y2={y(-limit)} />}
      <g clipPath={`url(#${id}up)`}>
        {of.ahead && <><polygon className="range" points={line(of.ahead.range)} /><polyline className="likely" points={line(of.ahead.likely)} /></>}
        <polygon className="area" points={area} />
        <polyline className="past" points={line(of.past)} />
      </g>
      <g clipPath={`url(#${id}down)`}><polygon className="area over" points={area} /><polyline className="past over" points={line(of.past)} /></g>
      {of.now > of.from && of.now < of.to && <line className="now" x1={x(of.now)} x2={x(of.now)} y1={margin.top} y2={inner.bottom} />}
      {last && <circle className={last.left < 0 ? "over" : ""} cx={x(last.at)} cy={y(last.left)} r={3.5} />}
      {times(of, width).map((t) => <text key={t.text + t.at} x={x(t.at)} y={height - 6} textAnchor={t.anchor} className={t.now ? "today" : ""}>{t.text}</text>)}
    </svg>
  );
}

/** Round heights: zero, the top, and what lies between when there is room. */
function heights(of: Course): number[] {
  const rough = (of.highest - of.lowest) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((s) => s * power >= rough) ?? 10);
  const out: number[] = [];
  for (let v = Math.ceil(of.lowest / step) * step; v <= of.highest; v += step) out.push(v === 0 ? 0 : v);
  return out;
}

/** The times written below: both sides, and now between them where it does not touch them. */
function times(of: Course, width: number) {
  const long = of.to - of.from > 3 * 86_400_000;
  const years = new Date(of.from).getFullYear() !== new Date(of.to).getFullYear();
  const text = (at: number) => (!long ? clock : years ? dayYear : dayMonth).format(at);
  const room = (long && !years ? 60 : 90) / (width - margin.left - margin.right);
  const place = (of.now - of.from) / Math.max(of.to - of.from, 1);
  const all: { at: number; text: string; anchor: "start" | "middle" | "end"; now?: boolean }[] = [
    { at: of.from, text: text(of.from), anchor: "start" },
    { at: of.to, text: text(of.to), anchor: "end" },
  ];
  if (place > room + 0.04 && place < 1 - room - 0.04) all.push({ at: of.now, text: long ? "today" : "now", anchor: "middle", now: true });
  return all;
}

/** The same in words, for who does not see the drawing. */
export const inWords = (name: string, left: number, quantity: number, over: number) =>
  `${name} over time: ${short(left)} of ${short(quantity)} tokens are left${over > 0 ? `, and ${short(over)} of overdraft are used` : ""}`;
