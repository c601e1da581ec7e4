import { type FormEvent, useState } from "react";
import { answer, api } from "../../api/client";
import { useLoad } from "../../ui/data";
import { Number } from "../../ui/format";
import { Link } from "../../router";
import { Card, Choice, Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";
import { ask, Chart, nameOf, question, share, titleOf } from "../usage";
import "./usage.css";

const groups = { "By item": "item", "By requester": "requester", "By metadata": "metadata" } as const;
type Group = keyof typeof groups;

/** Who and what uses the customer's tokens. It asks what the usage explorer would at the address that it links to. */
export function UsageOf({ instanceId }: { instanceId: string }) {
  const [group, setGroup] = useState<Group>("By item");
  const [key, setKey] = useState("project");
  const groupBy = groups[group] === "metadata" ? `metadata.${key}` : groups[group];
  const address = new URLSearchParams({ range: "30d", interval: "day", groupBy, filter: `instanceId=${instanceId}` });
  const q = question(address);
  const loaded = useLoad(`usage ${address}`, async () => {
    const [all, overTime] = await Promise.all([ask(q, { top: 50 }), ask(q, { interval: q.interval, top: 6 })]);
    return { rows: all.rows.toSorted((a, b) => b.tokens - a.tokens), total: all.total, overTime: overTime.rows };
  }, 30_000);
  return (
    <Card title="Usage" aside={<Choice label="Usage" of={Object.keys(groups) as Group[]} chosen={group} choose={setGroup} />}>
      {groups[group] === "metadata" && <Key instanceId={instanceId} chosen={key} choose={setKey} />}
      <Show of={loaded}>
        {({ rows, total, overTime }) => rows.length === 0 ? <Empty>Nothing was used in the last 30 days.</Empty> : (
          <div className="halves">
            <Chart q={q} to={Date.now()} rows={overTime} />
            <Table
              label="Usage by group" rows={rows} id={(r) => JSON.stringify(r.by ?? "others")} most={8}
              columns={[
                { name: titleOf(groupBy), by: (r) => nameOf(r, groupBy), show: (r) => <span className="groupname">{nameOf(r, groupBy)}</span> },
                { name: "Tokens", right: true, by: (r) => r.tokens, show: (r) => <Number value={r.tokens} /> },
                { name: "Share", right: true, show: (r) => share(r.tokens, total.tokens) },
                { name: "Denied", right: true, by: (r) => r.denials, show: (r) => (r.denials > 0 ? <Number value={r.denials} /> : "–") },
              ]}
            />
          </div>
        )}
      </Show>
      <p className="more"><Link to={`/usage?${address}`}>Open in the usage explorer</Link> <span className="quiet">last 30 days, less refunds</span></p>
    </Card>
  );
}

/** Which key of the metadata; those of the latest requests are offered. */
function Key({ instanceId, chosen, choose }: { instanceId: string; chosen: string; choose: (key: string) => void }) {
  const seen = useLoad(`metadata keys ${instanceId}`, async () => {
    const { receipts } = await answer(api.GET("/farebox/v1/receipts", { params: { query: { instanceId: [instanceId], limit: 100 } } }));
    return [...new Set(receipts.flatMap((r) => r.items.flatMap((i) => Object.keys(i.metaData ?? {}))))].sort();
  });
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    choose(String(new FormData(e.currentTarget).get("key")).trim());
  };
  return (
    <form className="keychoice" onSubmit={submit}>
      <label htmlFor="metadatakey">Metadata key</label>
      <input id="metadatakey" name="key" list="metadatakeys" required defaultValue={chosen} onChange={(e) => seen.state === "ready" && seen.data.includes(e.target.value) && choose(e.target.value)} />
      <datalist id="metadatakeys">{seen.state === "ready" && seen.data.map((k) => <option key={k} value={k} />)}</datalist>
      <button>Group</button>
      {seen.state === "ready" && seen.data.length > 0 && <span className="quiet">seen lately: {seen.data.slice(0, 8).join(", ")}</span>}
    </form>
  );
}
