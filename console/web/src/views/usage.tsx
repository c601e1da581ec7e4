import type { FormEvent } from "react";
import { answer, api, type Schemas } from "../api/client";
import { StackedBars } from "../ui/chart";
import { download } from "../ui/csv";
import { useLoad } from "../ui/data";
import { Number, percent } from "../ui/format";
import { useQuery } from "../ui/query";
import { Card, Empty, Show } from "../ui/states";
import { Table } from "../ui/table";
import "./usage.css";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const days = { "24h": 1, "7d": 7, "30d": 30, "90d": 90, "12m": 365 } as const;
const intervals = ["hour", "day", "week", "month"] as const;
type Interval = (typeof intervals)[number];
const dimensions = {
  item: "Item", requester: "Requester", accountId: "Account", instanceId: "Instance", activationId: "Line item", kind: "Kind of event", status: "Status", currency: "Currency",
} as const;
const filterable = { ...dimensions, itemVersion: "Item version", requesterType: "Requester type", rateTableVersion: "Rate table version" };

/** What is asked, as the address says it. */
export type Question = { range: string; from: number; to?: number; interval: Interval; groupBy: string; filters: string[] };

export function question(query: URLSearchParams): Question {
  const range = query.get("range") ?? "30d";
  const given = query.get("interval");
  const interval = intervals.find((i) => i === given) ?? (range === "24h" ? "hour" : range === "12m" ? "month" : "day");
  const common = { range, interval, groupBy: query.get("groupBy") ?? "item", filters: query.getAll("filter").filter((f) => f.includes("=")) };
  const from = Date.parse(`${query.get("from")}T00:00`);
  const to = Date.parse(`${query.get("to")}T00:00`);
  if (range === "dates" && !isNaN(from)) return { ...common, from, ...(isNaN(to) ? {} : { to: new Date(to).setDate(new Date(to).getDate() + 1) }) };
  const start = new Date();
  if (range === "24h") start.setHours(start.getHours() - 23, 0, 0, 0);
  else {
    start.setHours(0, 0, 0, 0);
    start.setDate(start.getDate() + 1 - (days[range as keyof typeof days] ?? 30));
  }
  return { ...common, from: start.getTime() };
}

export function ask(q: Question, more: Record<string, unknown>) {
  const query: Record<string, unknown> = { from: String(q.from), timeZone: zone, groupBy: [q.groupBy], ...more };
  if (q.to !== undefined) query["to"] = String(q.to);
  for (const f of q.filters) {
    const name = f.slice(0, f.indexOf("="));
    query[name] = [...((query[name] as string[] | undefined) ?? []), f.slice(f.indexOf("=") + 1)];
  }
  return answer(api.GET("/farebox/v1/usage", { params: { query } }));
}

/** When each interval begins in the viewer's zone, from the one that holds `from` until before `to`. */
function begins(interval: Interval, from: number, to: number): number[] {
  const at = new Date(from);
  at.setMinutes(0, 0, 0);
  if (interval !== "hour") at.setHours(0);
  if (interval === "week") at.setDate(at.getDate() - ((at.getDay() + 6) % 7));
  if (interval === "month") at.setDate(1);
  const out: number[] = [];
  while (at.getTime() < to) {
    out.push(at.getTime());
    if (interval === "hour") at.setTime(at.getTime() + 3_600_000);
    else if (interval === "month") at.setMonth(at.getMonth() + 1);
    else at.setDate(at.getDate() + (interval === "week" ? 7 : 1));
  }
  return out;
}

export const nameOf = (row: Schemas["UsageRow"], dimension: string) => (row.other ? "others" : (row.by?.[dimension] ?? "none"));
export const titleOf = (dimension: string) => dimensions[dimension as keyof typeof dimensions] ?? dimension.replace(/^\w+\./, "");

export function Usage() {
  const [query, change] = useQuery();
  const q = question(query);
  const to = q.to ?? Date.now();
  const loaded = useLoad(JSON.stringify(q), async () => {
    const [groups, overTime] = await Promise.all([ask(q, {}), ask(q, { interval: q.interval, top: 6 })]);
    return { groups: groups.rows.toSorted((a, b) => b.tokens - a.tokens), total: groups.total, overTime: overTime.rows };
  });
  return (
    <>
      <h1>Usage</h1>
      <section className="card" aria-label="What is shown">
        <Choices q={q} query={query} change={change} />
        <Filters q={q} change={change} />
      </section>
      <Show of={loaded}>
        {({ groups, total, overTime }) => groups.length === 0 ? <Empty>Nothing was used in this time{q.filters.length > 0 && " that these filters let through"}.</Empty> : (
          <div className="halves">
            <Card title={`Tokens by ${q.interval}`} aside={<button onClick={() => download(`usage-by-${q.interval}.csv`, overTimeRows(q, overTime))}>Export over time</button>}>
              <Chart q={q} to={to} rows={overTime} />
            </Card>
            <Card title={`By ${titleOf(q.groupBy).toLowerCase()}`} aside={<button onClick={() => download("usage.csv", groupRows(q, groups))}>Export table</button>}>
              <Table
                label="Usage by group" rows={groups} id={(r) => JSON.stringify(r.by)} most={15}
                columns={[
                  { name: titleOf(q.groupBy), by: (r) => nameOf(r, q.groupBy), show: (r) => <Group row={r} q={q} change={change} /> },
                  { name: "Tokens", right: true, by: (r) => r.tokens, show: (r) => <Number value={r.tokens} /> },
                  { name: "Share", right: true, show: (r) => share(r.tokens, total.tokens) },
                  { name: "Requests", right: true, by: (r) => r.requests, show: (r) => <Number value={r.requests} /> },
                  { name: "Denied", right: true, by: (r) => r.denials, show: (r) => (r.denials > 0 ? <Number value={r.denials} /> : "–") },
                ]}
              />
              <p className="quiet sum">In all <Number value={total.tokens} /> tokens, less refunds, in {groups.length} {groups.length === 1 ? "group" : "groups"}.</p>
            </Card>
          </div>
        )}
      </Show>
    </>
  );
}

export function share(part: number, whole: number): string {
  if (whole <= 0 || part === 0) return "–";
  return part / whole < 0.0005 ? `< ${percent(0.001)}` : percent(part / whole);
}

type Change = ReturnType<typeof useQuery>[1];

function Choices({ q, query, change }: { q: Question; query: URLSearchParams; change: Change }) {
  const keyed = q.groupBy.includes(".");
  return (
    <div className="fields">
      <label>Range
        <select value={q.range} onChange={(e) => change({ range: e.target.value, interval: "" })}>
          <option value="24h">24 hours</option><option value="7d">7 days</option><option value="30d">30 days</option><option value="90d">90 days</option>
          <option value="12m">12 months</option><option value="dates">Dates…</option>
        </select>
      </label>
      {q.range === "dates" && (
        <>
          <label>From<input type="date" value={query.get("from") ?? ""} onChange={(e) => change({ from: e.target.value })} /></label>
          <label>To, included<input type="date" value={query.get("to") ?? ""} onChange={(e) => change({ to: e.target.value })} /></label>
        </>
      )}
      <label>By time
        <select value={q.interval} onChange={(e) => change({ interval: e.target.value })}>{intervals.map((i) => <option key={i} value={i}>{i}</option>)}</select>
      </label>
      <label>Grouped by
        <select value={keyed ? "metadata" : q.groupBy} onChange={(e) => change({ groupBy: e.target.value === "metadata" ? "metadata.project" : e.target.value })}>
          {Object.entries(dimensions).map(([d, name]) => <option key={d} value={d}>{name}</option>)}
          <option value="metadata">Metadata key…</option>
        </select>
      </label>
      {keyed && (
        <form key={q.groupBy} onSubmit={(e) => (e.preventDefault(), change({ groupBy: `metadata.${String(new FormData(e.currentTarget).get("key"))}` }))}>
          <label>Metadata key<input name="key" required defaultValue={q.groupBy.replace(/^\w+\./, "")} /></label>
          <button>Group</button>
        </form>
      )}
    </div>
  );
}

function Filters({ q, change }: { q: Question; change: Change }) {
  const add = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    const form = new FormData(e.currentTarget);
    const key = String(form.get("key")).trim();
    // `name=value`, in the field of the value, is a filter of any dimension: metadata.project=apollo.
    const value = String(form.get("value"));
    const given = /^(metadata|dictionary)\.[^=]+=/.test(value) ? value : `${key}=${value}`;
    if (!q.filters.includes(given)) change({ filter: [...q.filters, given] });
    e.currentTarget.reset();
  };
  return (
    <>
      <form className="fields filters" onSubmit={add}>
        <label>Only<select name="key">{Object.entries(filterable).map(([d, name]) => <option key={d} value={d}>{name}</option>)}</select></label>
        <label>is<input name="value" placeholder="render, or metadata.project=apollo" size={32} required /></label>
        <button>Add filter</button>
      </form>
      {q.filters.length > 0 && (
        <div className="filters" role="group" aria-label="Filters">
          {q.filters.map((f) => <button key={f} aria-label={`Remove filter ${f}`} onClick={() => change({ filter: q.filters.filter((x) => x !== f) })}>{f} <span aria-hidden>×</span></button>)}
        </div>
      )}
    </>
  );
}

/** A group's name, which narrows the view to it. */
function Group({ row, q, change }: { row: Schemas["UsageRow"]; q: Question; change: Change }) {
  const filter = `${q.groupBy}=${row.by?.[q.groupBy] ?? ""}`;
  if (q.filters.includes(filter)) return nameOf(row, q.groupBy);
  return <button className="sort narrow" title="Only this" onClick={() => change({ filter: [...q.filters, filter] })}>{nameOf(row, q.groupBy)}</button>;
}

export function Chart({ q, to, rows }: { q: Question; to: number; rows: Schemas["UsageRow"][] }) {
  const times = begins(q.interval, q.from, to);
  const index = new Map(times.map((t, i) => [t, i]));
  const series = new Map<string, number[]>();
  for (const row of rows) {
    const values = series.get(nameOf(row, q.groupBy)) ?? times.map(() => 0);
    const at = index.get(row.from);
    if (at !== undefined) values[at] = row.tokens;
    series.set(nameOf(row, q.groupBy), values);
  }
  const sorted = [...series].sort(([x], [y]) => (x === "others" ? 1 : y === "others" ? -1 : x.localeCompare(y)));
  return <StackedBars label={`Tokens used, by ${q.interval} and ${titleOf(q.groupBy).toLowerCase()}`} times={times} series={sorted.map(([name, values]) => ({ name, values }))} />;
}

const sums = (r: Schemas["UsageRow"]) => [r.tokens, r.overdraft, r.count, r.requests, r.denials];
const sumNames = ["tokens", "overdraft", "count", "requests", "denials"];
const groupRows = (q: Question, rows: Schemas["UsageRow"][]) => [[q.groupBy, ...sumNames], ...rows.map((r) => [r.by?.[q.groupBy] ?? "", ...sums(r)])];
const overTimeRows = (q: Question, rows: Schemas["UsageRow"][]) => [["from", q.groupBy, ...sumNames], ...rows.map((r) => [new Date(r.from).toISOString(), r.other ? "(others)" : (r.by?.[q.groupBy] ?? ""), ...sums(r)])];
