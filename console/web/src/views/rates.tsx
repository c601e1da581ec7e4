import { type FormEvent, useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import { answer, api, type Schemas } from "../api/client";
import { useLoad } from "../ui/data";
import { Number, short, Time } from "../ui/format";
import { useQuery } from "../ui/query";
import { Card, Empty, Failed, Loading, Show } from "../ui/states";
import { Table } from "../ui/table";
import { Windowed } from "../ui/windowed";
import { difference, type Item, keyOf, priceOf } from "./rates-diff";
import "./rates.css";
import "./usage.css";

type RateTable = Schemas["RateTableV11"];

const seriesOf = (t: RateTable) => t.series ?? "";
const effectiveOf = (versions: readonly RateTable[]) => versions.findLast((v) => v.effectiveFrom <= Date.now());
/** In the order in which they price: of two from the same time, the one posted later is later. */
const inOrder = (all: readonly RateTable[]) => all.toSorted((a, b) => a.effectiveFrom - b.effectiveFrom || (a.created ?? 0) - (b.created ?? 0));

export function RateTables() {
  const [attempt, again] = useState(0);
  const loaded = useLoad(`rate tables ${attempt}`, () => answer(api.GET("/dynamicmonetization/provisioning/api/v1.1/rate-tables")));
  return <><h1>Rate tables</h1><Show of={loaded}>{(all) => all.length === 0 ? <Empty>There is no rate table yet. The API posts the first.</Empty> : <Tables all={all} posted={() => again((n) => n + 1)} />}</Show></>;
}

function Tables({ all, posted }: { all: RateTable[]; posted: () => void }) {
  const [query, change] = useQuery();
  const [drafting, draft] = useState(false);
  const names = [...new Set(all.map(seriesOf))].sort();
  const series = names.find((n) => n === query.get("series")) ?? names[0] ?? "";
  const versions = inOrder(all.filter((t) => seriesOf(t) === series));
  const effective = effectiveOf(versions);
  const seen = versions.find((v) => v.version === query.get("version")) ?? effective ?? versions[0];
  const against = versions.find((v) => v !== seen && v.version === query.get("against"));
  if (!seen) return null;
  return (
    <div className="sections">
      <Card
        title="Versions"
        aside={names.length > 1 && <select aria-label="Series" value={series} onChange={(e) => change({ series: e.target.value, version: "", against: "" })}>{names.map((n) => <option key={n} value={n}>{n || "no series"}</option>)}</select>}
      >
        <ol className="timeline" tabIndex={0} aria-label="Versions, by when they begin">
          {versions.map((v) => (
            <li key={v.version} className={v === effective ? "effective" : ""}>
              <button aria-pressed={v === seen} onClick={() => change({ version: v.version })}>
                <span><strong>{v.version}</strong> {v === effective ? <span className="badge good">Effective</span> : v.effectiveFrom > Date.now() ? <span className="badge">To come</span> : <span className="badge">Past</span>}</span>
                <span className="quiet">from <Time ms={v.effectiveFrom} /></span>
              </button>
            </li>
          ))}
        </ol>
      </Card>
      <Card
        title={against ? `From ${against.version} to ${seen.version}` : `Items of ${seen.version}`}
        aside={
          <div className="actions">
            <select aria-label="Compare with" value={against?.version ?? ""} onChange={(e) => change({ against: e.target.value })}>
              <option value="">Compare with…</option>
              {versions.filter((v) => v !== seen).map((v) => <option key={v.version} value={v.version}>Against {v.version}</option>)}
            </select>
            {!drafting && <button onClick={() => draft(true)}>Draft a version</button>}
          </div>
        }
      >
        {against ? <Differences before={against.items} after={seen.items} /> : <Items items={seen.items} query={query.get("q") ?? ""} search={(q) => change({ q })} />}
      </Card>
      {drafting && <Draft key={`${series} ${seen.version}`} from={seen} {...(effective ? { effective } : {})} close={() => draft(false)} posted={posted} />}
    </div>
  );
}

function Items({ items, query, search }: { items: readonly Item[]; query: string; search: (q: string) => void }) {
  const [text, setText] = useState(query);
  const wanted = useDeferredValue(text).toLowerCase(); // typing goes first
  const texts = useMemo(() => items.map((i) => `${i.name} ${i.version ?? ""} ${i.formula ?? ""}`.toLowerCase()), [items]);
  const found = useMemo(() => (wanted === "" ? items : items.filter((_, i) => texts[i]?.includes(wanted))), [items, texts, wanted]);
  return (
    <div className="sections">
      <div className="fields">
        <label>Search<input type="search" size={28} value={text} placeholder="name, version or formula" onChange={(e) => setText(e.target.value)} onBlur={() => search(text)} /></label>
        <span className="quiet" role="status">{short(found.length)} of {short(items.length)}</span>
      </div>
      {found.length === 0 ? <Empty>No item has this in its name, version or formula.</Empty> : (
        <Windowed
          label="Items" rows={found} id={keyOf} columns={["Item", "Version", "Rate or formula", "Terms"]}
          show={(i) => [
            <span title={i.name}>{i.name}</span>, i.version || "–",
            i.formula ? <code title={i.formula}>{i.formula}</code> : <span title={String(i.rate)}>{String(i.rate ?? "")}</span>,
            [i.freeSeconds ? `first ${i.freeSeconds} s free` : "", i.window ? `once per ${i.window}` : "", i.cost !== undefined ? `costs ${i.cost}` : ""].filter((t) => t !== "").join(", ") || "–",
          ]}
        />
      )}
    </div>
  );
}

function Differences({ before, after }: { before: readonly Item[]; after: readonly Item[] }) {
  const all = useMemo(() => difference(before, after), [before, after]);
  if (all.length === 0) return <Empty>All prices and terms are the same.</Empty>;
  return (
    <Windowed
      label="Differences" rows={all} id={(d) => d.key} columns={["Item", "Change", "Before", "After"]}
      show={(d) => {
        const item = d.after ?? d.before;
        const name = `${item?.name ?? ""}${item?.version ? ` ${item.version}` : ""}`;
        const [b, a] = [d.before ? priceOf(d.before) : "–", d.after ? priceOf(d.after) : "–"];
        return [<span title={name}>{name}</span>, <span className={`badge ${d.change === "removed" ? "bad" : d.change === "added" ? "good" : ""}`}>{d.change}</span>, <span title={b}>{b}</span>, <span title={a}>{a}</span>];
      }}
    />
  );
}

type Outcome = { state: "idle" } | { state: "busy" } | { state: "failed"; error: Error } | { state: "ready"; simulation: Schemas["Simulation"]; of: string };

const local = (ms: number) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
const most = 2000; // items that a text field edits well; larger tables are posted through the API

/** A version that is not there yet: written, tried against what was used, and published for a date. */
function Draft({ from, effective, close, posted }: { from: RateTable; effective?: RateTable; close: () => void; posted: () => void }) {
  const [version, setVersion] = useState("");
  const [date, setDate] = useState(() => local(new Date().setHours(24, 0, 0, 0)));
  const [text, setText] = useState(() => (from.items.length > most ? "" : `[\n${from.items.map((i) => `  ${JSON.stringify(plain(i))}`).join(",\n")}\n]`));
  const [outcome, set] = useState<Outcome>({ state: "idle" });
  const [confirming, confirm] = useState<RateTable | null>(null);
  if (from.items.length > most) return <Card title="Draft" aside={<button onClick={close}>Close</button>}><Empty>A table of more than {short(most)} items is edited where it is made, and posted through the API.</Empty></Card>;
  const table = (): RateTable => ({ series: seriesOf(from), version: version || "draft", effectiveFrom: new Date(date).getTime(), items: parsed(text) });
  const attempt = async (f: (t: RateTable) => Promise<void> | void) => {
    try {
      await f(table());
    } catch (error) {
      set({ state: "failed", error: error as Error });
    }
  };
  const simulate = () => attempt(async (t) => {
    set({ state: "busy" });
    set({ state: "ready", of: text, simulation: await answer(api.POST("/farebox/v1/rate-tables/simulate", { body: { table: t } })) });
  });
  const publish = (e: FormEvent) => {
    e.preventDefault();
    void attempt((t) => confirm(t));
  };
  return (
    <Card title={`Draft, from ${from.version}`} aside={<button onClick={close}>Close</button>}>
      <form className="draft" onSubmit={publish}>
        <div className="fields">
          <label>Version<input required maxLength={256} value={version} onChange={(e) => setVersion(e.target.value)} /></label>
          <label>Prices from<input type="datetime-local" required value={date} onChange={(e) => setDate(e.target.value)} /></label>
        </div>
        <label htmlFor="items" className="quiet">Items, as the API has them</label>
        <textarea id="items" rows={10} wrap="off" spellCheck={false} value={text} onChange={(e) => setText(e.target.value)} />
        <div className="actions">
          <button type="button" disabled={outcome.state === "busy"} onClick={() => void simulate()}>Simulate the last 30 days</button>
          <button className="primary">Publish…</button>
        </div>
      </form>
      {outcome.state === "busy" && <Loading />}
      {outcome.state === "failed" && <Failed error={outcome.error} />}
      {outcome.state === "ready" && <Simulated of={outcome.simulation} old={outcome.of !== text} />}
      {confirming && <Confirm table={confirming} before={effective?.items ?? []} close={() => confirm(null)} posted={() => (posted(), close())} />}
    </Card>
  );
}

/** An item without what says nothing. */
const plain = (i: Item) => Object.fromEntries(Object.entries(i).filter(([k, v]) => v !== "" && !(k === "freeSeconds" && v === 0)));

function parsed(text: string): Item[] {
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch (error) {
    throw new Error(`The items are no JSON: ${(error as Error).message}.`);
  }
  const long = text.replace(/"(?:\\.|[^"\\])*"/g, '""').match(/\d[\d.]*/g)?.find((n) => n.replace(".", "").replace(/^0+/, "").length > 15);
  if (long) throw new Error(`${long} has more than 15 digits, of which a browser would lose some. Post this table through the API.`);
  if (!Array.isArray(items)) throw new Error("The items must be a list, in square brackets.");
  return items as Item[]; // what is in them, the server checks
}

type Payer = { account: string; old: number; next: number; refused: number };

function Simulated({ of, old }: { of: Schemas["Simulation"]; old: boolean }) {
  const payers = new Map<string, Payer>();
  for (const i of of.items) {
    const p = payers.get(i.accountId) ?? { account: i.accountId, old: 0, next: 0, refused: 0 };
    payers.set(i.accountId, { ...p, old: p.old + i.oldTokens, next: p.next + i.newTokens, refused: p.refused + i.refused });
  }
  const rows = [...payers.values()].sort((a, b) => Math.abs(b.next - b.old) - Math.abs(a.next - a.old));
  return (
    <div className="sections simulated" role="status">
      <p>
        {old && <span className="warn">The draft has changed since. </span>}
        From <Time ms={of.from} /> to <Time ms={of.to} />, the draft would have charged <strong><Number value={of.newTokens} /></strong> tokens instead
        of <Number value={of.oldTokens} />, and refused <Number value={of.refused} /> of <Number value={of.charges} /> charges.
      </p>
      {rows.length === 0 ? <Empty>Nothing was used in this time.</Empty> : (
        <Table
          label="Who pays more, and who less" rows={rows} id={(r) => r.account} most={15}
          columns={[
            { name: "Account", by: (r) => r.account, show: (r) => r.account },
            { name: "Was", right: true, by: (r) => r.old, show: (r) => <Number value={r.old} /> },
            { name: "Would be", right: true, by: (r) => r.next, show: (r) => <Number value={r.next} /> },
            { name: "Difference", right: true, by: (r) => r.next - r.old, show: (r) => <>{r.next > r.old && "+"}<Number value={r.next - r.old} /></> },
            { name: "Refused", right: true, by: (r) => r.refused, show: (r) => (r.refused > 0 ? <span className="warn"><Number value={r.refused} /></span> : "–") },
          ]}
        />
      )}
      {of.notPriced.length > 0 && <p className="warn">Used, and not priced by the draft: {of.notPriced.map((i) => i.item + (i.version && ` ${i.version}`)).join(", ")}.</p>}
      {of.notes.length > 0 && <ul className="list quiet">{of.notes.map((n) => <li key={n}>{n}</li>)}</ul>}
    </div>
  );
}

function Confirm({ table, before, close, posted }: { table: RateTable; before: readonly Item[]; close: () => void; posted: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [key] = useState(() => crypto.getRandomValues(new Uint32Array(4)).join("-")); // a second press, or try, posts nothing twice
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const changes = useMemo(() => difference(before, table.items), [before, table]);
  const count = (c: string) => changes.filter((d) => d.change === c).length;
  const publish = async () => {
    setBusy(true);
    try {
      await answer(api.POST("/dynamicmonetization/provisioning/api/v1.1/rate-tables", { body: table, params: { header: { "Idempotency-Key": key } } }));
      posted();
    } catch (e) {
      setError(e as Error);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} className="confirm" onClose={close} aria-labelledby="confirm">
      <h2 id="confirm">Publish {table.version}?</h2>
      <p>It alone prices {table.series ? `the series ${table.series}` : "what has no series"} from <Time ms={table.effectiveFrom} /> on{table.effectiveFrom <= Date.now() && <strong className="warn">, which is past: it prices at once</strong>}.</p>
      <p>Against the version effective now: {count("changed")} changed, {count("added")} added, <span className={count("removed") > 0 ? "warn" : ""}>{count("removed")} removed</span>. An item that is removed is refused.</p>
      {error && <Failed error={error} />}
      <div className="actions">
        <button className="primary" disabled={busy} onClick={() => void publish()}>Publish</button>
        <button disabled={busy} onClick={() => dialog.current?.close()}>Not yet</button>
      </div>
    </dialog>
  );
}
