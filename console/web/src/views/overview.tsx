import { type ReactNode, useState } from "react";
import { answer, api } from "../api/client";
import { StackedBars } from "../ui/chart";
import { useLoad } from "../ui/data";
import { Number, short, Time, When } from "../ui/format";
import { type Live, useLive } from "../ui/live";
import { Card, Choice, Empty, Show } from "../ui/states";
import { Table } from "../ui/table";
import { Link } from "../router";
import { First } from "./customers";

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
      <Card title="Customers" aside={<small className="quiet">those that last shortest first</small>}><First most={8} /></Card>
      <Ending />
    </>
  );
}

function Now() {
  const today = useLoad("today", () => usage({ from: String(new Date().setHours(0, 0, 0, 0)) }), 10_000);
  const { seconds, broken } = useLive(minute / 1000);
  const last = seconds.slice(-5); // a rate of one second jumps about
  const rate = (of: (l: Live) => number) => sum(last, of) / Math.max(1, sum(last, (l) => l.seconds));
  const note = (of: (l: Live) => number) => broken ? "no connection; trying again" : `${short(sum(seconds, of))} in the last minute`;
  return (
    <div className="figures">
      <Show of={today}>{(t) => <Figure name="Tokens used today" value={t.total.tokens} note="in your time zone, less refunds" />}</Show>
      <Figure name="Charges a second" value={rate((l) => l.charges)} note={note((l) => l.charges)}><Spark values={seconds.map((l) => l.charges)} /></Figure>
      <Figure name="Denials a second" value={rate((l) => l.denials)} note={note((l) => l.denials)}><Spark values={seconds.map((l) => l.denials)} /></Figure>
    </div>
  );
}

const sum = <T,>(all: readonly T[], of: (t: T) => number) => all.reduce((n, t) => n + of(t), 0);

function Figure({ name, value, note, children }: { name: string; value: number; note: string; children?: ReactNode }) {
  return <div className="figure"><h2>{name}</h2><p><Number value={value} /></p>{children}<small>{note}</small></div>;
}

/** The last minute as a line, the newest at the right; the figure beside it says it in words. */
function Spark({ values }: { values: readonly number[] }) {
  const top = Math.max(1, ...values);
  const points = values.map((v, i) => `${60 - values.length + 1 + i},${20 - (v / top) * 18}`).join(" ");
  return <svg className="spark" viewBox="0 0 60 21" preserveAspectRatio="none" aria-hidden><polyline points={points} /></svg>;
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
            {log.fired.map((f) => <li key={f.id}><span className={`badge ${f.state === "FIRED" ? "bad" : "good"}`}>{f.state === "FIRED" ? "Fired" : "Resolved"}</span> {f.message} <small className="quiet"><When ms={f.time} /></small></li>)}
          </ul>
        )}
      </Show>
    </Card>
  );
}

const soon = 60; // days

function Ending() {
  const loaded = useLoad("ending", () => answer(api.GET("/farebox/v1/line-items/ending", { params: { query: { days: soon, limit: 8 } } })), 60_000);
  return (
    <Card title="Ends soon" aside={<small className="quiet">within {soon} days; what is left then is lost</small>}>
      <Show of={loaded}>
        {({ lineItems }) => lineItems.length === 0 ? <Empty>No line item ends within {soon} days.</Empty> : (
          <Table
            label="Line items that end soon" rows={lineItems} id={(l) => l.activationId}
            columns={[
              { name: "Line item", show: (l) => <Link to={`/customers/${encodeURIComponent(l.instanceId)}`}>{l.activationId}</Link> },
              { name: "Account", show: (l) => l.accountId },
              { name: "Ends", show: (l) => <Time ms={l.end} only="day" /> },
              { name: "Left", right: true, show: (l) => <><Number value={l.balance} /> <span className="quiet">of <Number value={l.quantity} /></span></> },
            ]}
          />
        )}
      </Show>
    </Card>
  );
}
