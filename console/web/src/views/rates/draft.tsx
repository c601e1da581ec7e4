import { type FormEvent, useMemo, useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { useLoad } from "../../ui/data";
import { Entry, localTime, timeOf } from "../../ui/form";
import { short } from "../../ui/format";
import { Card, Failed, Loading, Show } from "../../ui/states";
import { begin, type Draft, isChanged, itemsOf, rowsOf } from "./drafted";
import { Editing } from "./editing";
import { allItems, type Item, keyOf, type Version } from "./item";
import { forget, keep, recall } from "./kept";
import { Publish } from "./publish";
import { readable } from "./refusal";
import { Simulated } from "./simulated";

type Table = Schemas["RateTableV11"];

/** A version that is not there yet: written, tried against what was used, and published for a date. */
export function Drafting({ from, versions, close }: { from: Version; versions: readonly Version[]; close: () => void }) {
  const loaded = useLoad(`all items ${from.series} ${from.version} ${from.created}`, () => allItems(from));
  return <Card title={`Draft, from ${from.version}`} aside={<button onClick={close}>Close</button>}><Show of={loaded}>{(items) => <Written {...{ from, versions, close, items }} />}</Show></Card>;
}

function Written({ from, versions, close, items }: { from: Version; versions: readonly Version[]; close: () => void; items: readonly Item[] }) {
  const [history, setHistory] = useState<readonly Draft[]>(() => recall(from, items));
  const draft = history.at(-1) ?? begin(items);
  const step = (next: readonly Draft[]) => (keep(from, next), setHistory(next));
  const changed = useMemo(() => rowsOf(draft).filter(isChanged).length, [draft]);
  return (
    <div className="draft">
      <p className="quiet">Type a new rate, or a change: <kbd>×1.25</kbd>, <kbd>+25%</kbd>, <kbd>-10%</kbd>, <kbd>/2</kbd>. A search and the line below it change many at once.</p>
      <Editing draft={draft} change={(d) => step([...history, d])} />
      <div className="actions">
        <span className="quiet" role="status">{changed === 0 ? "Nothing is changed yet." : `${short(changed)} of ${short(rowsOf(draft).length)} items are changed.`}</span>
        {history.length > 1 && <button type="button" onClick={() => step(history.slice(0, -1))}>Undo the last change</button>}
      </div>
      <Trying series={from.series} draft={draft} />
      <Publishing {...{ from, versions, draft }} published={() => (forget(from), close())} />
    </div>
  );
}

const day = 86_400_000;
const spans = {
  "the last 30 days": () => ({}),
  "the last 7 days": () => ({ from: Date.now() - 7 * day, to: Date.now() }),
  "last month": () => ((now) => ({ from: new Date(now.getFullYear(), now.getMonth() - 1, 1).getTime(), to: new Date(now.getFullYear(), now.getMonth(), 1).getTime() }))(new Date()),
} as const;
type Span = keyof typeof spans;

type Outcome = { state: "idle" } | { state: "busy" } | { state: "failed"; error: Error } | { state: "ready"; simulation: Schemas["Simulation"]; of: Draft };

/** What the draft would have cost. */
function Trying({ series, draft }: { series: string; draft: Draft }) {
  const [span, setSpan] = useState<Span>("the last 30 days");
  const [outcome, set] = useState<Outcome>({ state: "idle" });
  const simulate = async () => {
    const items = itemsOf(draft);
    set({ state: "busy" });
    try {
      const table: Table = { series, version: "draft", effectiveFrom: Date.now(), items };
      set({ state: "ready", of: draft, simulation: await answer(api.POST("/farebox/v1/rate-tables/simulate", { body: { table, ...spans[span]() } })) });
    } catch (error) {
      set({ state: "failed", error: readable(error as Error, items) });
    }
  };
  const free = useMemo(() => ((was) => itemsOf(draft).filter((i) => (was.get(keyOf(i))?.freeSeconds ?? i.freeSeconds) !== i.freeSeconds))(new Map(draft.base.map((i) => [keyOf(i), i]))), [draft]);
  return (
    <section className="step">
      <h3>Simulate</h3>
      <div className="actions">
        <select aria-label="Simulate against" value={span} onChange={(e) => setSpan(e.target.value as Span)}>{Object.keys(spans).map((s) => <option key={s}>{s}</option>)}</select>
        <button type="button" disabled={outcome.state === "busy"} onClick={() => void simulate()}>Simulate</button>
        <span className="quiet">What the draft would have charged for what was used; nothing is changed.</span>
      </div>
      {free.length > 0 && <p className="warn">Other free seconds are not simulated: sessions are taken to get back the same part of a charge as they did. It concerns {short(free.length)} {free.length === 1 ? "item" : "items"}.</p>}
      {outcome.state === "busy" && <Loading />}
      {outcome.state === "failed" && <Failed error={outcome.error} />}
      {outcome.state === "ready" && <Simulated of={outcome.simulation} old={outcome.of !== draft} />}
    </section>
  );
}

/** Gives the draft a name and a date. */
function Publishing({ from, versions, draft, published }: { from: Version; versions: readonly Version[]; draft: Draft; published: () => void }) {
  const [date, setDate] = useState(() => localTime(new Date().setHours(24, 0, 0, 0)));
  const [version, setVersion] = useState("");
  const [asked, ask] = useState<Table | null>(null);
  const taken = versions.some((v) => v.version === version.trim());
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (!taken) ask({ series: from.series, version: version.trim(), effectiveFrom: timeOf(date), items: itemsOf(draft) });
  };
  return (
    <section className="step">
      <h3>Publish</h3>
      <form className="entries" onSubmit={submit}>
        <Entry label="Name of the version" {...(taken ? { wrong: `There is a version ${version.trim()} of this series.` } : {})}>{(p) => <input {...p} required maxLength={256} autoComplete="off" value={version} onChange={(e) => setVersion(e.target.value)} />}</Entry>
        <Entry label="Prices from">{(p) => <input {...p} type="datetime-local" required value={date} onChange={(e) => setDate(e.target.value)} />}</Entry>
        <div className="entry submit"><button className="primary">Publish…</button></div>
      </form>
      {asked && <Publish table={asked} until={versions.findLast((v) => v.effectiveFrom <= asked.effectiveFrom)} base={{ of: from, items: draft.base }} close={() => ask(null)} published={published} />}
    </section>
  );
}
