import { useMemo } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { useLoad } from "../../ui/data";
import { type Change, Changes, Confirm } from "../../ui/confirm";
import { Dialog } from "../../ui/dialog";
import { short, Time } from "../../ui/format";
import { Failed, Loading } from "../../ui/states";
import { compare, type Difference } from "./compared";
import { allItems, allOf, type Item, nameOf, type Version } from "./item";
import { readable } from "./refusal";

type Table = Schemas["RateTableV11"];

const listed = 12; // changes that are shown one by one
const order: readonly Difference["change"][] = ["removed", "dearer", "cheaper", "other terms", "added"];

/** Asks before a draft prices, against what would price then without it. `base`: the items that the draft began from, so that they are not read again. */
export function Publish({ table, until, base, close, published }: { table: Table; until: Version | undefined; base: { of: Version; items: readonly Item[] }; close: () => void; published: () => void }) {
  const loaded = useLoad(`until ${until?.version} ${until?.created}`, async (): Promise<readonly Item[]> => (until === undefined ? [] : until.version === base.of.version ? base.items : await allItems(until)));
  const title = `Publish ${table.version}?`;
  if (loaded.state !== "ready") return <Dialog title={title} close={close}>{loaded.state === "loading" ? <Loading /> : <Failed error={loaded.error} retry={loaded.retry} />}</Dialog>;
  return <Ask {...{ title, table, until, base, close, published }} before={loaded.data} />;
}

function Ask({ title, table, until, base, before, close, published }: Parameters<typeof Publish>[0] & { title: string; before: readonly Item[] }) {
  const all = useMemo(() => compare(before, table.items), [before, table]);
  const count = (change: Difference["change"]) => all.filter((d) => d.change === change).length;
  const first = all.toSorted((a, b) => order.indexOf(a.change) - order.indexOf(b.change)).slice(0, listed);
  const changes = first.map((d): Change => ({ what: nameOf((d.after ?? d.before) as Item), before: d.before ? allOf(d.before) : "no price", after: d.after ? allOf(d.after) : "no price" }));
  const past = table.effectiveFrom <= Date.now();
  return (
    <Confirm
      title={title} close={close} done={published} action="Publish" body={table}
      make={async (key) => {
        await answer(api.POST("/dynamicmonetization/provisioning/api/v1.1/rate-tables", { body: table, params: { header: { "Idempotency-Key": key } } })).catch((why: Error) => Promise.reject(readable(why, table.items)));
        return `Published ${table.version}${table.series ? ` of ${table.series}` : ""}, with ${short(table.items.length)} items.`;
      }}
    >
      <p>It alone prices {table.series ? `the series ${table.series}` : "what has no series"} from <Time ms={table.effectiveFrom} /> on{past && <strong className="warn">, which is past: it prices at once</strong>}.</p>
      {until && until.version !== base.of.version && <p className="warn">Until then {until.version} prices, and the draft began from {base.of.version}: what differs between those two differs here, too.</p>}
      <p>Against {until ? until.version : "nothing"}: {count("dearer")} dearer, {count("cheaper")} cheaper, {count("other terms")} with another formula or other terms, {count("added")} added, <span className={count("removed") > 0 ? "warn" : ""}>{count("removed")} removed</span>.{count("removed") > 0 && " What is removed is refused."}</p>
      {changes.length > 0 && <Changes all={[{ of: "Prices", changes }]} />}
      {all.length > listed && <p className="quiet">and {short(all.length - listed)} more</p>}
    </Confirm>
  );
}
