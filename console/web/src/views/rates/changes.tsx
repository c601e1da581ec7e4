import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { useLoad } from "../../ui/data";
import { short } from "../../ui/format";
import { Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";
import { allOf, type Item, nameOf, pageSize, type Version } from "./item";
import { Pages } from "./items";

type Kind = Schemas["RateItemChange"]["change"];

const kinds: readonly [Kind, string, "added" | "removed" | "dearer" | "cheaper" | "otherTerms"][] =
  [["ADDED", "added", "added"], ["REMOVED", "removed", "removed"], ["DEARER", "dearer", "dearer"], ["CHEAPER", "cheaper", "cheaper"], ["OTHER_TERMS", "other terms", "otherTerms"]];
const nameOfKind = (k: Kind) => kinds.find(([kind]) => kind === k)?.[1] ?? k;
export const badgeOf = (change: string) => `badge ${change === "removed" ? "bad" : change === "added" ? "good" : ""}`;

/** What one version changes in another, as the server compares them. */
export function Changes({ older, newer }: { older: Version; newer: Version }) {
  const [only, choose] = useState<Kind | "">("");
  const [offset, setOffset] = useState(0);
  const query = { series: newer.series, older: older.version, newer: newer.version, limit: pageSize, offset, ...(only ? { change: only } : {}) };
  const loaded = useLoad(`changes ${JSON.stringify(query)} ${older.created} ${newer.created}`, () => answer(api.GET("/farebox/v1/rate-tables/diff", { params: { query } })));
  return (
    <Show of={loaded}>
      {(d) => {
        const all = kinds.reduce((sum, [, , count]) => sum + d[count], 0);
        if (all === 0) return <Empty>All {short(d.unchanged)} prices and terms are the same.</Empty>;
        const button = (kind: Kind | "", name: string, count: number) => <button key={kind} aria-pressed={only === kind} disabled={count === 0} onClick={() => (choose(kind), setOffset(0))}>{name} {short(count)}</button>;
        return (
          <div className="sections">
            <div className="choice" role="group" aria-label="Kinds of change">{button("", "all", all)}{kinds.map(([kind, name, count]) => button(kind, name, d[count]))}<span className="quiet">{short(d.unchanged)} unchanged</span></div>
            <Table
              label="Differences" rows={d.changes} id={(c) => `${c.change} ${nameOf((c.newer ?? c.older) as Item)}`} most={pageSize}
              columns={[
                { name: "Item", show: (c) => <span className="cut" title={nameOf((c.newer ?? c.older) as Item)}>{nameOf((c.newer ?? c.older) as Item)}</span> },
                { name: "Change", show: (c) => <span className={badgeOf(nameOfKind(c.change))}>{nameOfKind(c.change)}</span> },
                { name: older.version, show: (c) => <Price of={c.older} /> },
                { name: newer.version, show: (c) => <Price of={c.newer} /> },
                { name: "Percent", right: true, show: (c) => c.percent ?? "–" },
              ]}
            />
            <Pages offset={offset} total={d.total} of="differences" to={setOffset} />
          </div>
        );
      }}
    </Show>
  );
}

export const Price = ({ of }: { of: Item | undefined }) => (of ? <span className="cut" title={allOf(of)}>{allOf(of)}</span> : <>–</>);
