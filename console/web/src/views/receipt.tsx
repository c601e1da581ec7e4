import type { ReactNode } from "react";
import { answer, api, type Schemas } from "../api/client";
import { sumBy } from "../api/decimal";
import { useLoad } from "../ui/data";
import { Dialog } from "../ui/dialog";
import { Number, Time } from "../ui/format";
import { Show } from "../ui/states";
import { ReceiptActions } from "./moves/refund";
import { RateTableLink } from "./rates/link";
import { sessionDid } from "./session";
import "./receipt.css";

/** All that one request did: who paid how much at which rate of which table, what that counted against, and what was given back since. */
export function Receipt({ correlationId, close }: { correlationId: string; close: () => void }) {
  const loaded = useLoad(`receipt ${correlationId}`, () => answer(api.GET("/farebox/v1/receipts/{correlationId}", { params: { path: { correlationId } } })));
  return (
    <Dialog title="Receipt" close={close}>
      <Show of={loaded}>
        {(r) => (
          <>
            <p className="sums"><strong className="big"><Number value={r.tokens} /></strong> tokens{r.refunded > 0 && <span className="quiet">, <Number value={r.refunded} /> refunded since</span>}</p>
            {r.items.map((i, n) => <Item key={n} of={i} receipt={r} />)}
            {(r.refunds ?? []).map((i, n) => <Item key={n} of={i} receipt={r} back />)}
            <Later of={r} />
            <ReceiptActions receipt={r} />
            <About of={r} />
          </>
        )}
      </Show>
    </Dialog>
  );
}

function Item({ of: i, receipt, back }: { of: Schemas["ReceiptItem"]; receipt: Schemas["Receipt"]; back?: boolean }) {
  const variables = Object.entries(i.variables ?? {});
  return (
    <section>
      <h3><span>{back && "Given back: "}{i.item || "Adjustment"} {i.version} ×<Number value={i.count} /></span><span className="right"><Number value={i.tokens} /></span></h3>
      {i.status && <p className="quiet">{i.status.description}</p>}
      {i.formula && <p>Price by <code>{i.formula}</code>{variables.length > 0 && <span className="quiet"> with {variables.map(([name, value]) => `${name} = ${String(value)}`).join(", ")}</span>}</p>}
      {i.lineItems.length > 0 && <ul>{i.lineItems.map((l) => <Slice key={l.activationId} of={l} priced={i.item !== ""} instanceId={receipt.instanceId} />)}</ul>}
      {i.coveredUntil !== undefined && <p className="quiet">Covers further use until <Time ms={i.coveredUntil} /></p>}
      {(i.refunded ?? 0) > 0 && <p className="quiet"><Number value={i.refunded ?? 0} /> of it refunded since</p>}
      {i.metaData && <p className="quiet">{pairs(i.metaData)}</p>}
    </section>
  );
}

function Slice({ of: l, priced, instanceId }: { of: Schemas["ReceiptLineItem"]; priced: boolean; instanceId: string }) {
  return (
    <li>
      <div><span>{l.activationId}</span><span className="right"><Number value={l.tokens} /></span></div>
      <p className="quiet">
        {priced && <>at <Number value={l.rate} />{l.rateTableVersion !== undefined && <> of rate table <RateTableLink series={l.rateTableSeries} version={l.rateTableVersion} /></>} · </>}
        <Number value={l.used} /> of <Number value={l.quantity} /> used after it
        {l.unitPrice !== undefined && <> · sold at {String(l.unitPrice)} {l.currency} a token</>}
      </p>
      {(l.overdraft ?? 0) !== 0 && <p className="over"><Number value={l.overdraft ?? 0} /> of it overdraft</p>}
      {l.action && <p className="quiet">Rule <RuleName instanceId={instanceId} lineItemId={l.activationId} id={l.action.id} />: <Number value={l.action.used} /> of its allocation used after it</p>}
      {l.limit && <p className="quiet">Consumption limit: <Number value={l.limit.consumed} /> consumed since <Time ms={l.limit.since} /></p>}
    </li>
  );
}

/** A rule by what people call it; by its id when it is no more. */
function RuleName({ instanceId, lineItemId, id }: { instanceId: string; lineItemId: string; id: string }) {
  const path = { instanceId, lineItemId };
  const loaded = useLoad(`rule ${instanceId} ${lineItemId} ${id}`, () => answer(api.GET("/dynamicmonetization/api/v1.1/instances/{instanceId}/line-items/{lineItemId}/actions", { params: { path } })));
  const rule = loaded.state === "ready" ? loaded.data.find((a) => a.id === id) : undefined;
  return rule?.name ? <span title={id}>“{rule.name}”</span> : rule && !rule.conditionId ? <span title={id}>for everybody</span> : <code>{id}</code>;
}

function Later({ of: r }: { of: Schemas["Receipt"] }) {
  if (!r.refundedBy?.length) return null;
  return (
    <section>
      <h3>Refunded since</h3>
      <ul>
        {r.refundedBy.map((b) => (
          <li key={b.correlationId}>
            <div><span><Time ms={b.time} /></span><span className="right"><Number value={sumBy(b.items, (i) => i.tokens)} /></span></div>
            <p className="quiet">{b.reason && <>{b.reason} · </>}by {b.by} · <code>{b.correlationId}</code></p>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What is known of the request itself. */
function About({ of: r }: { of: Schemas["Receipt"] }) {
  const facts: [string, ReactNode][] = [["When", <Time ms={r.time} />]];
  if (r.written - r.time >= 1000) facts.push(["Written", <Time ms={r.written} />]);
  if (r.requester) facts.push(["Requester", <>{r.requester.value} <span className="quiet">{[r.requester.type, r.requester.dictionary && pairs(r.requester.dictionary)].filter(Boolean).join(" · ")}</span></>]);
  if (r.session) facts.push(["Session", <>{sessionDid(r.session.operation)}, then {r.session.state.toLowerCase()} <code>{r.session.id}</code></>]);
  if (r.hold) facts.push(["Hold", <Kept of={r.hold} />]);
  if (r.lease) facts.push(["Lease", <Kept of={r.lease} />]);
  if (r.refundOf) facts.push(["Refund of", <code>{r.refundOf}</code>]);
  if (r.by) facts.push(["By", <code>{r.by}</code>]);
  if (r.reason) facts.push(["Reason", r.reason]);
  if (r.idempotencyKey) facts.push(["Idempotency key", <code>{r.idempotencyKey}</code>]);
  if (r.source) facts.push(["From", Object.values(r.source).join(" · ")]);
  facts.push(["Correlation id", <code>{r.correlationId}</code>]);
  return <dl>{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

function Kept({ of }: { of: Schemas["ReceiptHold"] }) {
  return <>{of.operation.toLowerCase()}{of.late && ", late"}{(of.overdrawn ?? 0) > 0 && <span className="over">, <Number value={of.overdrawn ?? 0} /> past all that is allowed</span>} {of.id && <code>{of.id}</code>}</>;
}

const pairs = (of: object) => Object.entries(of).map(([k, v]) => `${k}: ${typeof v === "object" && v !== null && !(v instanceof globalThis.Number) ? JSON.stringify(v) : String(v)}`).join(" · ");
