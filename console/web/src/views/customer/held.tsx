import { type ReactNode, useState } from "react";
import type { Who } from "../../auth";
import { answer, api, type Schemas } from "../../api/client";
import { Confirm } from "../../ui/confirm";
import { useLoad } from "../../ui/data";
import { Number, Until } from "../../ui/format";
import { Items, itemsInWords } from "../../ui/items";
import { CursorPages, useCursor } from "../../ui/pages";
import { Card, Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";

const aPage = 20;

/** Tokens that are kept for work that is under way: nobody else can use them. An administrator can give them back. */
export function Holds({ instanceId, who }: { instanceId: string; who: Who }) {
  const cursor = useCursor(instanceId);
  const [asked, ask] = useState<Schemas["Hold"] | null>(null);
  const loaded = useLoad(`holds ${instanceId} ${cursor.at}`, () => answer(api.GET("/farebox/v1/holds", { params: { query: { instanceId, limit: aPage, ...(cursor.at ? { cursor: cursor.at } : {}) } } })), 5_000);
  const release = (hold: Schemas["Hold"]) => async (key: string) => {
    await answer(api.DELETE("/farebox/v1/holds/{holdId}", { params: { path: { holdId: hold.holdId }, header: { "Idempotency-Key": key } } }));
    return `The hold for ${hold.requester.value} was released.`;
  };
  return (
    <Card title="Holds" aside={<span className="quiet">kept for work under way</span>}>
      {asked && (
        <Confirm title="Release this hold?" action="Release" danger make={release(asked)} body={asked.holdId} close={() => ask(null)}>
          <p><strong><Number value={asked.tokensHeld} /> tokens</strong> that are held for {asked.requester.value} (<Items of={asked.items} />) can be used by everybody again.</p>
          <p className="quiet">The work that they were held for can no more settle this hold.</p>
        </Confirm>
      )}
      <Show of={loaded}>
        {({ holds, next }) => (
          <>
            {holds.length === 0 ? <Empty>Nothing is held.</Empty> : (
              <Table
                label="Holds" rows={holds} id={(h) => h.holdId}
                columns={[
                  { name: "Items", show: (h) => <Items of={h.items} /> },
                  { name: "Requester", by: (h) => h.requester.value, show: (h) => h.requester.value },
                  { name: "Held", right: true, by: (h) => h.tokensHeld, show: (h) => <Number value={h.tokensHeld} /> },
                  { name: "Settled", right: true, by: (h) => h.tokensSettled, show: (h) => <Number value={h.tokensSettled} /> },
                  { name: "Lapses", by: (h) => h.expires, show: (h) => <Until ms={h.expires} /> },
                  ...(who.role === "vendor" ? [{ name: "Release", bare: true, show: (h: Schemas["Hold"]): ReactNode => <button aria-label={`Release the hold of ${itemsInWords(h.items)} for ${h.requester.value}`} onClick={() => ask(h)}>Release…</button> }] : []),
                ]}
              />
            )}
            <CursorPages label="holds" cursor={cursor} next={next} />
          </>
        )}
      </Show>
    </Card>
  );
}

/** Tokens that clients spend by themselves until a lease is over. */
export function Leases({ instanceId, who }: { instanceId: string; who: Who }) {
  const cursor = useCursor(instanceId);
  const [asked, ask] = useState<Schemas["Lease"] | null>(null);
  const loaded = useLoad(`leases ${instanceId} ${cursor.at}`, () => answer(api.GET("/farebox/v1/leases", { params: { query: { instanceId, limit: aPage, ...(cursor.at ? { cursor: cursor.at } : {}) } } })), 5_000);
  const end = (lease: Schemas["Lease"]) => async (key: string) => {
    await answer(api.DELETE("/farebox/v1/leases/{leaseId}", { params: { path: { leaseId: lease.leaseId }, header: { "Idempotency-Key": key } } }));
    return `The lease of ${lease.client} was ended.`;
  };
  return (
    <Card title="Leases" aside={<span className="quiet">spent offline</span>}>
      {asked && (
        <Confirm title="End this lease now?" action="End lease" danger make={end(asked)} body={asked.leaseId} close={() => ask(null)}>
          <p><strong><Number value={asked.tokensHeld} /> tokens</strong> that {asked.client} has not reported return at once.</p>
          <p className="quiet">The client does not learn of it. What it used, or still uses, is charged when it reports it, as late.</p>
        </Confirm>
      )}
      <Show of={loaded}>
        {({ leases, next }) => (
          <>
            {leases.length === 0 ? <Empty>Nothing is leased.</Empty> : (
              <Table
                label="Leases" rows={leases} id={(l) => l.leaseId}
                columns={[
                  { name: "Client", by: (l) => l.client, show: (l) => l.client },
                  { name: "Items", show: (l) => <Items of={l.items} /> },
                  { name: "Leased", right: true, by: (l) => l.tokens, show: (l) => <Number value={l.tokens} /> },
                  { name: "Used", right: true, by: (l) => l.tokensUsed, show: (l) => <Number value={l.tokensUsed} /> },
                  { name: "Held", right: true, by: (l) => l.tokensHeld, show: (l) => <Number value={l.tokensHeld} /> },
                  { name: "Over", by: (l) => l.expires, show: (l) => <Until ms={l.expires} /> },
                  ...(who.role === "vendor" ? [{ name: "End", bare: true, show: (l: Schemas["Lease"]): ReactNode => <button aria-label={`End the lease of ${l.client}`} onClick={() => ask(l)}>End…</button> }] : []),
                ]}
              />
            )}
            <CursorPages label="leases" cursor={cursor} next={next} />
          </>
        )}
      </Show>
    </Card>
  );
}
