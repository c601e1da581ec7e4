import { useState } from "react";
import { answer, api } from "../../api/client";
import { useLoad } from "../../ui/data";
import { Number, Time } from "../../ui/format";
import { Card, Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";
import { Receipt } from "../receipt";

const recentMS = 5 * 60_000;

export function Events({ instanceId }: { instanceId: string }) {
  const [receipt, open] = useState("");
  // The record is paged oldest first: the last minutes are read, the newest of a page shown on top.
  const loaded = useLoad(`events ${instanceId}`, () => answer(api.GET("/farebox/v1/usage/events", { params: { query: { instanceId: [instanceId], from: String(Date.now() - recentMS), limit: 1000 } } })), 5_000);
  return (
    <Card title="Recent events" aside={<span className="quiet">last 5 minutes</span>}>
      {receipt && <Receipt correlationId={receipt} close={() => open("")} />}
      <Show of={loaded}>
        {(page) => page.events.length === 0 ? <Empty>Nothing happened in the last 5 minutes.</Empty> : (
          <>
            {page.next && <p className="quiet">There are more than 1,000 events in this time; the first 1,000 are here.</p>}
            <Table
              label="Recent events" most={20} rows={page.events.toReversed()} id={(e) => e.id}
              columns={[
                { name: "When", by: (e) => e.usageTime, show: (e) => <Time ms={e.usageTime} only="second" /> },
                { name: "What", show: (e) => <span className={`badge ${e.kind === "DENIAL" ? "bad" : ""}`}>{e.kind.toLowerCase().replace("_", " ")}</span> },
                { name: "Requester", show: (e) => e.requester.value },
                { name: "Item", show: (e) => `${e.item} ${e.itemVersion ?? ""}` },
                { name: "Count", right: true, by: (e) => e.count, show: (e) => <Number value={e.count} /> },
                { name: "Rate", right: true, by: (e) => e.rate, show: (e) => e.kind === "DENIAL" ? "–" : <Number value={e.rate} /> },
                { name: "Tokens", right: true, by: (e) => e.tokens, show: (e) => <Number value={e.tokens} /> },
                { name: "Paid by", show: (e) => e.activationId ?? e.detail ?? "–" },
                { name: "Receipt", show: (e) => <button aria-label={`Receipt of ${e.item} for ${e.requester.value}`} onClick={() => open(e.correlationId)}>Receipt</button> },
              ]}
            />
          </>
        )}
      </Show>
    </Card>
  );
}
