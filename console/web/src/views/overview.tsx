import { useState } from "react";
import { answer, api } from "../api/client";
import { StackedBars } from "../ui/chart";
import { useLoad } from "../ui/data";
import { Number, short, Time } from "../ui/format";
import { Card, Choice, Empty, Show } from "../ui/states";
import { Standings } from "./customers";

const minute = 60_000;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function usage(query: { from: string; interval?: "hour" | "day"; groupBy?: string[]; top?: number }) {
  return answer(api.GET("/farebox/v1/usage", { params: { query: { timeZone: zone, ...query } } }));
}

export function Overview() {
  return (
    <>
      <h1>Overview</h1>
      <Now />
      <div className="columns">
        <OverTime />
        <Alerts />
      </div>
      <Card title="Customers"><Standings /></Card>
    </>
  );
}

function Now() {
  const today = useLoad("today", () => usage({ from: String(new Date().setHours(0, 0, 0, 0)) }), 10_000);
  const last = useLoad("minute", () => usage({ from: String(Date.now() - minute) }), 3_000);
  return (
    <div className="figures">
      <Show of={today}>{(t) => <Figure name="Tokens used today" value={t.total.tokens} note="in your time zone, less refunds" />}</Show>
      <Show of={last}>{(t) => <Figure name="Charges in the last minute" value={t.total.requests - t.total.denials} note="items charged" />}</Show>
      <Show of={last}>{(t) => <Figure name="Denials in the last minute" value={t.total.denials} note={`of ${short(t.total.requests)} items decided`} />}</Show>
    </div>
  );
}

function Figure({ name, value, note }: { name: string; value: number; note: string }) {
  return <div className="figure"><h2>{name}</h2><p><Number value={value} /></p><small>{note}</small></div>;
}

// Each interval begins where the clock of the viewer's zone says; days of 23 and 25 hours are days.
const spans = {
  "Today": { interval: "hour", times: () => Array.from({ length: 24 }, (_, i) => new Date().setHours(i, 0, 0, 0)) },
  "30 days": { interval: "day", times: () => Array.from({ length: 30 }, (_, i) => { const d = new Date(); d.setHours(0, 0, 0, 0); return d.setDate(d.getDate() - 29 + i); }) },
} as const;

function OverTime() {
  const [span, setSpan] = useState<keyof typeof spans>("30 days");
  const loaded = useLoad(`over time ${span}`, async () => {
    const times = spans[span].times();
    const { rows } = await usage({ from: String(times[0]), interval: spans[span].interval, groupBy: ["item"], top: 6 });
    return { times, rows };
  }, 30_000);
  return (
    <Card title="Tokens by item" aside={<Choice label="Time" of={Object.keys(spans) as (keyof typeof spans)[]} chosen={span} choose={setSpan} />}>
      <Show of={loaded}>
        {({ times, rows }) => {
          if (rows.length === 0) return <Empty>Nothing was used in this time.</Empty>;
          const series = new Map<string, number[]>();
          for (const row of rows) {
            const name = row.other ? "others" : (row.by?.["item"] ?? "none");
            const values = series.get(name) ?? times.map(() => 0);
            const at = times.indexOf(row.from);
            if (at >= 0) values[at] = row.tokens;
            series.set(name, values);
          }
          // By name, so that colours stay when the order of size changes.
          const sorted = [...series].sort(([x], [y]) => (x === "others" ? 1 : y === "others" ? -1 : x.localeCompare(y)));
          return <StackedBars label={`Tokens used, by ${spans[span].interval} and item`} times={times} series={sorted.map(([name, values]) => ({ name, values }))} />;
        }}
      </Show>
    </Card>
  );
}

function Alerts() {
  const fired = useLoad("fired", () => answer(api.GET("/farebox/v1/alerts/fired", { params: { query: { limit: 5 } } })), 10_000);
  return (
    <Card title="Alerts">
      <Show of={fired}>
        {(log) => log.fired.length === 0 ? <Empty>No alert has fired.</Empty> : (
          <ul className="list">
            {log.fired.map((f) => <li key={f.id}><span className={`badge ${f.state === "FIRED" ? "bad" : "good"}`}>{f.state === "FIRED" ? "Fired" : "Resolved"}</span> {f.message} <small className="quiet"><Time ms={f.time} /></small></li>)}
          </ul>
        )}
      </Show>
    </Card>
  );
}
