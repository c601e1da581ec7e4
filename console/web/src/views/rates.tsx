import { useState } from "react";
import { answer, api } from "../api/client";
import { useLoad } from "../ui/data";
import { useQuery } from "../ui/query";
import { Card, Empty, Show } from "../ui/states";
import { Changes } from "./rates/changes";
import { Drafting } from "./rates/draft";
import type { Version } from "./rates/item";
import { Items } from "./rates/items";
import { begun } from "./rates/kept";
import { inOrder, Timeline } from "./rates/versions";
import "./rates/rates.css";

/** Rate tables: series, their versions over time, what is in them, what differs, and drafts. Each part is a file in rates/. */
export function RateTables() {
  const loaded = useLoad("rate tables", async () => (await answer(api.GET("/farebox/v1/rate-tables"))).tables);
  return <><h1>Rate tables</h1><Show of={loaded}>{(all) => all.length === 0 ? <Empty>There is no rate table yet. <code>farebox rates apply</code>, or the API, posts the first.</Empty> : <Series all={all} />}</Show></>;
}

function Series({ all }: { all: readonly Version[] }) {
  const [query, change] = useQuery();
  const [drafting, draft] = useState<Version | null>(null);
  const names = [...new Set(all.map((t) => t.series))].sort();
  const series = names.find((n) => n === query.get("series")) ?? names[0] ?? "";
  const versions = inOrder(all.filter((t) => t.series === series));
  const seen = versions.find((v) => v.version === query.get("version")) ?? versions.find((v) => v.state === "EFFECTIVE") ?? versions[0];
  const against = versions.find((v) => v !== seen && v.version === query.get("against"));
  if (!seen) return null;
  return (
    <div className="sections">
      <Card
        title="Versions"
        aside={names.length > 1 && <select aria-label="Series" value={series} onChange={(e) => (draft(null), change({ series: e.target.value, version: "", against: "", q: "", from: "" }))}>{names.map((n) => <option key={n} value={n}>{n || "no series"}</option>)}</select>}
      >
        <Timeline versions={versions} seen={seen} see={(v) => (draft(null), change({ version: v.version, from: "", ...(against === v ? { against: "" } : {}) }))} />
      </Card>
      {drafting ? <Drafting from={drafting} versions={versions} close={() => draft(null)} />
        : <Seen of={seen} versions={versions} against={against} compare={(version) => change({ against: version })} draft={() => draft(seen)} />}
    </div>
  );
}

type Parts = { of: Version; versions: readonly Version[]; against: Version | undefined; compare: (version: string) => void; draft: () => void };

/** What is in a version, or what it changes in another one. */
function Seen({ of, versions, against, compare, draft }: Parts) {
  return (
    <Card
      title={against ? `From ${against.version} to ${of.version}` : `Items of ${of.version}`}
      aside={
        <div className="actions">
          {versions.length > 1 && (
            <select aria-label="Compare with" value={against?.version ?? ""} onChange={(e) => compare(e.target.value)}>
              <option value="">Compare with…</option>
              {versions.filter((v) => v !== of).map((v) => <option key={v.version} value={v.version}>Against {v.version}</option>)}
            </select>
          )}
          <button onClick={draft}>{begun(of) ? "Go on with the draft" : "Draft a version"}</button>
        </div>
      }
    >
      {against ? <Changes key={`${against.version} ${of.version}`} older={against} newer={of} /> : <Items of={of} />}
    </Card>
  );
}
