import { answer, api } from "../api/client";
import { StackedBars } from "../ui/chart";
import { useLoad } from "../ui/data";
import { Number, Time } from "../ui/format";
import { Card, Empty, Show } from "../ui/states";
import { Standings } from "./customers";

const minute = 60_000;
const dayMS = 24 * 60 * minute;
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
      <Show of={last}>{(t) => <Figure name="Denials in the last minute" value={t.total.denials} note={`of ${t.total.requests} items decided`} />}</Show>
    </div>
  );
}

function Figure({ name, value, note }: { name: string; value: number; note: string }) {
  return <div className="figure"><h2>{name}</h2><p><Number value={value} /></p><small>{note}</small></div>;
}

function OverTime() {
  const days = 30;
  const loaded = useLoad("over time", () => usage({ from: String(new Date().setHours(0, 0, 0, 0) - (days - 1) * dayMS), interval: "day", groupBy: ["item"], top: 6 }), 30_000);
  return (
    <Card title="Tokens by item" aside={<span className="quiet">last {days} days</span>}>
      <Show of={loaded}>
        {({ rows }) => {
          if (rows.length === 0) return <Empty>Nothing was used in this time.</Empty>;
          const times = Array.from({ length: days }, (_, i) => new Date().setHours(0, 0, 0, 0) - (days - 1 - i) * dayMS);
          const at = (ms: number) => Math.min(days - 1, Math.max(0, Math.round((ms - (times[0] ?? 0)) / dayMS))); // days of 23 hours, too
          const series = new Map<string, number[]>();
          for (const row of rows) {
            const name = row.other ? "others" : (row.by?.["item"] ?? "none");
            const values = series.get(name) ?? times.map(() => 0);
            values[at(row.from)] = row.tokens;
            series.set(name, values);
          }
          return <StackedBars label="Tokens used each day, by item" times={times} series={[...series].map(([name, values]) => ({ name, values }))} />;
        }}
      </Show>
    </Card>
  );
}

function Alerts() {
  const fired = useLoad("fired", () => answer(api.GET("/farebox/v1/alerts/fired", { params: { query: { limit: 8 } } })), 10_000);
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
