import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const dayMonth = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

export type Series = { name: string; values: number[] };

/** Bars over time, one series on the other. Times are milliseconds; the table beside it or its label says the same in words. */
export function StackedBars({ label, times, series }: { label: string; times: number[]; series: Series[] }) {
  const box = useRef<HTMLDivElement>(null);
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const again = () => setTheme((n) => n + 1);
    const media = matchMedia("(prefers-color-scheme: dark)");
    media.addEventListener("change", again);
    const watch = new MutationObserver(again);
    watch.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => (media.removeEventListener("change", again), watch.disconnect());
  }, []);
  const shape = JSON.stringify([times, series]);
  useEffect(() => {
    const at = box.current;
    if (!at) return;
    const style = getComputedStyle(document.documentElement);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const sums = times.map(() => 0);
    const stacked = series.map((s) => s.values.map((v, i) => (sums[i] = (sums[i] ?? 0) + v)));
    const axis = { stroke: color("--quiet"), font: "12px system-ui", grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
    const step = (times[1] ?? 0) > (times[0] ?? 0) ? ((times[1] ?? 0) - (times[0] ?? 0)) / 1000 : 3600;
    const half = step / 2; // stands out on both sides, or the first and the last bar would be cut
    const hourly = step * times.length < 3 * 86_400;
    const bars = uPlot.paths.bars?.({ size: [0.7, 48], radius: 0.1 });
    // The tallest is drawn first, so that those below stand in front of it.
    const order = series.map((_, i) => series.length - 1 - i);
    const plot = new uPlot(
      {
        width: at.clientWidth, height: 240, legend: { show: false }, cursor: { show: false }, padding: [12, 8, 0, 0],
        scales: { x: { range: (_u, first, last) => [first - half, last + half] }, y: { range: (_u, _low, high) => [0, high > 0 ? high * 1.05 : 1] } },
        axes: [{ ...axis, grid: { show: false }, space: 56, size: 32, gap: 10, values: (_u, at) => at.map((s) => (hourly ? clock : dayMonth).format(s * 1000)) }, { ...axis, size: 64 }],
        series: [{}, ...order.map((i) => ({ fill: color(`--series-${i % 7}`), stroke: color(`--series-${i % 7}`), width: 0, points: { show: false }, ...(bars ? { paths: bars } : {}) }))],
      },
      [times.map((t) => t / 1000), ...order.map((i) => stacked[i] ?? [])],
      at,
    );
    const sized = new ResizeObserver(() => plot.setSize({ width: at.clientWidth, height: 240 }));
    sized.observe(at);
    return () => (sized.disconnect(), plot.destroy());
  }, [shape, theme]);
  return (
    <figure className="chart">
      <div ref={box} role="img" aria-label={label} />
      <figcaption>{series.map((s, i) => <span key={s.name}><i className={`dot series-${i % 7}`} aria-hidden />{s.name}</span>)}</figcaption>
    </figure>
  );
}
