import { useState } from "react";
import { answer, api, type Schemas } from "../api/client";
import type { ViewProps } from "./index";
import { useLoad } from "../ui/data";
import { Number, short, Time } from "../ui/format";
import { Card, Empty, Show } from "../ui/states";
import { Table } from "../ui/table";
import { RunsOut } from "./customers";
import { Quote } from "./quote";
import { Receipt } from "./receipt";

export function Customer({ params }: ViewProps) {
  const instanceId = params["instance"] ?? "";
  const path = { instanceId };
  const about = useLoad(`instance ${instanceId}`, () => answer(api.GET("/dynamicmonetization/provisioning/api/v1.1/instances/{instanceId}", { params: { path } })));
  return (
    <>
      <Show of={about}>{(i) => <><h1>{i.accountId}</h1><p className="quiet">{i.shortName} · <code>{i.id}</code></p></>}</Show>
      <LineItems instanceId={instanceId} />
      <Quote instanceId={instanceId} />
      <Sessions instanceId={instanceId} />
      <Events instanceId={instanceId} />
    </>
  );
}

function LineItems({ instanceId }: { instanceId: string }) {
  const params = { path: { instanceId } };
  const loaded = useLoad(`line items ${instanceId}`, async () => {
    const [balance, forecast] = await Promise.all([
      answer(api.GET("/farebox/v1/instances/{instanceId}/balance", { params })),
      answer(api.GET("/farebox/v1/instances/{instanceId}/forecast", { params })),
    ]);
    return balance.lineItems.map((l) => ({ ...l, forecast: forecast.lineItems.find((f) => f.activationId === l.activationId), tooLittleHistory: forecast.tooLittleHistory }));
  }, 5_000);
  return (
    <Card title="Line items" aside={<span className="quiet">in the order in which they are drawn</span>}>
      <Show of={loaded}>
        {(rows) => rows.length === 0 ? <Empty>Nothing was bought yet.</Empty> : (
          <Table
            label="Line items" rows={rows} id={(l) => l.activationId}
            columns={[
              { name: "Line item", show: (l) => <>{l.activationId} {!l.usable && <span className="badge">{l.state === "DEPLOYED" ? "not usable now" : l.state.toLowerCase()}</span>}</> },
              { name: "Tokens left", right: true, by: (l) => l.balance, show: (l) => <Number value={l.balance} /> },
              { name: "Left", show: (l) => <Left of={l} /> },
              { name: "Overdraft used", right: true, by: (l) => l.overdraftUsed, show: (l) => l.overdraftUsed > 0 ? <span className="warn"><Number value={l.overdraftUsed} /></span> : "–" },
              { name: "Runs out", show: (l) => l.forecast || l.tooLittleHistory ? <RunsOut of={{ ...(l.forecast?.runsOut ? { runsOut: l.forecast.runsOut } : {}), ...(l.tooLittleHistory ? { tooLittleHistory: l.tooLittleHistory } : {}) }} /> : "–" },
              { name: "Ends", by: (l) => l.end, show: (l) => <Time ms={l.end} only="day" /> },
            ]}
          />
        )}
      </Show>
    </Card>
  );
}

function Left({ of }: { of: Schemas["LineItemBalance"] }) {
  return <meter min={0} max={Math.max(of.quantity, 1)} value={Math.max(of.balance, 0)} aria-label={`${short(of.balance)} of ${short(of.quantity)} tokens left`} />;
}

function Sessions({ instanceId }: { instanceId: string }) {
  const loaded = useLoad(`sessions ${instanceId}`, () => answer(api.GET("/farebox/v1/sessions", { params: { query: { instanceId, limit: 50 } } })), 5_000);
  return (
    <Card title="Open sessions">
      <Show of={loaded}>
        {({ sessions }) => sessions.length === 0 ? <Empty>No session is open.</Empty> : (
          <Table
            label="Open sessions" rows={sessions} id={(s) => s.sessionId}
            columns={[
              { name: "Requester", show: (s) => s.requester?.value ?? "–" },
              { name: "Items", show: (s) => s.items.map((i) => `${i.item} ${i.version} ×${short(i.count)}`).join(", ") || "idle" },
              { name: "Charged", right: true, by: (s) => s.tokensCharged, show: (s) => <Number value={s.tokensCharged} /> },
              { name: "Next charge", by: (s) => s.chargedUntil ?? 0, show: (s) => s.chargedUntil ? <Time ms={s.chargedUntil} /> : "–" },
            ]}
          />
        )}
      </Show>
    </Card>
  );
}

const recentMS = 5 * 60_000;

function Events({ instanceId }: { instanceId: string }) {
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
