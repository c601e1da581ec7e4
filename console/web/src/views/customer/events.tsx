import { type ReactNode, useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { useLoad } from "../../ui/data";
import { Number, When } from "../../ui/format";
import { Items } from "../../ui/items";
import { CursorPages, useCursor } from "../../ui/pages";
import { Card, Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";
import { RateTableLink } from "../rates/link";
import { Receipt } from "../receipt";
import { sessionDid } from "../session";
import "./events.css";

const aPage = 10;

type Of = Schemas["Receipt"];
/** An item of a receipt, or a receipt that is about none. */
type Row = { id: string; receipt: Of; item?: Schemas["ReceiptItem"]; back: boolean };

const rowsOf = (r: Of): Row[] => {
  const rows = [...r.items.map((item) => ({ item, back: false })), ...(r.refunds ?? []).map((item) => ({ item, back: true }))];
  return (rows.length > 0 ? rows : [{ back: false }]).map((row, i) => ({ id: `${r.correlationId} ${i}`, receipt: r, ...row }));
};

/** What was asked, granted, denied and given back lately, newest first: each with who paid how much at which rate. */
export function Events({ instanceId }: { instanceId: string }) {
  const [receipt, open] = useState("");
  const cursor = useCursor(instanceId);
  const loaded = useLoad(`receipts ${instanceId} ${cursor.at}`, () => answer(api.GET("/farebox/v1/receipts", { params: { query: { instanceId: [instanceId], limit: aPage, ...(cursor.at ? { cursor: cursor.at } : {}) } } })), cursor.first ? 5_000 : 0);
  return (
    <Card title="Recent events" aside={<span className="quiet">newest first</span>}>
      {receipt && <Receipt correlationId={receipt} close={() => open("")} />}
      <Show of={loaded}>
        {({ receipts, next }) => (
          <>
            {receipts.length === 0 ? <Empty>{next ? "Nothing in the latest part of the record; older pages may have more." : "Nothing has happened yet."}</Empty> : (
              <Table
                label="Recent events" most={1000} rows={receipts.flatMap(rowsOf)} id={(e) => e.id}
                columns={[
                  { name: "When", show: (e) => <When ms={e.receipt.time} /> },
                  { name: "What", show: (e) => <What of={e} /> },
                  { name: "Requester", show: (e) => e.receipt.requester?.value ?? "–" },
                  { name: "Item", show: (e) => (e.item?.item ? <Items of={[e.item]} /> : "–") },
                  { name: "Tokens", right: true, show: (e) => (e.item ? <Number value={e.item.tokens} /> : "–") },
                  { name: "Paid by", wide: true, show: (e) => <Slices of={e} /> },
                  { name: "Receipt", bare: true, show: (e) => <button aria-label={`Receipt of ${e.item?.item || "this"} for ${e.receipt.requester?.value ?? "nobody"}`} onClick={() => open(e.receipt.correlationId)}>Receipt</button> },
                ]}
              />
            )}
            <CursorPages label="recent events" cursor={cursor} next={next} />
          </>
        )}
      </Show>
    </Card>
  );
}

/** Whether an item was not granted; codes that are not known are taken for that, as the API asks to. */
const denied = (i: Schemas["ReceiptItem"] | undefined) => i?.status !== undefined && !/^1?101$/.test(i.status.code);

export function kindOf(e: Row): string {
  const { receipt: r, item } = e;
  if (denied(item)) return "denied";
  if (r.refundOf || e.back) return "refund";
  if (r.hold) return { HOLD: "hold", EXTEND: "hold extended", SETTLE: "settlement", RELEASE: "hold released" }[r.hold.operation] ?? r.hold.operation.toLowerCase();
  if (r.lease) return { LEASE: "lease", REPORT: "lease report", END: "lease ended" }[r.lease.operation] ?? r.lease.operation.toLowerCase();
  if (item && !item.item) return "adjustment";
  if (item) return "charge";
  return r.session ? `session ${sessionDid(r.session.operation)}` : "request";
}

function What({ of }: { of: Row }) {
  const kind = kindOf(of);
  return <span className={`badge ${kind === "denied" ? "bad" : kind === "refund" ? "good" : ""}`}>{kind}</span>;
}

/** Who paid, each with its rate; of a denial, why. */
function Slices({ of: { item } }: { of: Row }): ReactNode {
  if (!item) return "–";
  if (denied(item)) return <span className="why">{item.status?.description}</span>;
  if (item.lineItems.length === 0) return item.coveredUntil ? <span className="quiet">covered by an earlier charge</span> : "–";
  return (
    <ul className="paid">
      {item.lineItems.map((l) => (
        <li key={l.activationId}>{l.activationId} <Number value={l.tokens} />{item.item && <span className="quiet"> at <Number value={l.rate} />{l.rateTableVersion !== undefined && <> (<RateTableLink series={l.rateTableSeries} version={l.rateTableVersion} />)</>}</span>}
          {(l.overdraft ?? 0) !== 0 && <span className="over"> <Number value={l.overdraft ?? 0} /> overdraft</span>}</li>
      ))}
    </ul>
  );
}
