import { type ReactNode, useState } from "react";
import { answer, api, Refused, type Schemas } from "../../api/client";
import { minus, sumBy } from "../../api/decimal";
import { useWho } from "../../auth";
import type { ChangesOf } from "../../ui/confirm";
import { Entry } from "../../ui/form";
import { full } from "../../ui/format";
import { amountOf, ifSaid, Move, textOf } from "./move";
import { allowanceOver, backOf, changesOf, standings } from "./standing";

type Receipt = Schemas["Receipt"];

/** What earlier refunds left of an item of a charge. */
const leftOf = (i: Schemas["ReceiptItem"]) => minus(i.tokens, i.refunded ?? 0);

/** What can be done with a receipt. Refunds and adjustments are not refunded, nor what took nothing. */
export function ReceiptActions({ receipt }: { receipt: Receipt }) {
  const [open, setOpen] = useState(false);
  const who = useWho();
  if (who?.role !== "vendor" || receipt.refundOf !== undefined || receipt.by !== undefined || !receipt.items.some((i) => leftOf(i) > 0)) return null;
  return (
    <div className="actions">
      <button onClick={() => setOpen(true)}>Refund…</button>
      {open && <Refund receipt={receipt} close={() => setOpen(false)} />}
    </div>
  );
}

type Part = { place: number; tokens: number };

/** Gives back what a request was charged, whole or in part. */
function Refund({ receipt, close }: { receipt: Receipt; close: () => void }) {
  const parts = receipt.items.map((item, place) => ({ item, place, left: leftOf(item) })).filter((p) => p.left > 0);
  const field = (place: number) => `tokens of ${place}`;
  return (
    <Move
      title="Refund" close={close}
      prepare={async (said) => {
        const items: Part[] = [];
        for (const { place, left, item } of parts) {
          const tokens = ifSaid(said, field(place), amountOf) ?? 0;
          if (tokens < 0) throw new Refused(field(place), "Write 0 or more.");
          if (minus(tokens, left) > 0) throw new Refused(field(place), `At most ${full(left)} of the ${full(item.tokens)} tokens can still be refunded.`);
          if (tokens > 0) items.push({ place, tokens });
        }
        if (items.length === 0) throw new Refused(field(parts[0]?.place ?? 0), "Write how many tokens go back.");
        const sum = sumBy(items, (i) => i.tokens);
        const reason = textOf(said, "reason");
        return { body: { items, ...(reason ? { reason } : {}) }, action: `Refund ${full(sum)} tokens`, ...(await preview(receipt, items)) };
      }}
      make={async (body, key) => {
        const made = await answer(api.POST("/farebox/v1/receipts/{correlationId}/refund", { params: { path: { correlationId: receipt.correlationId }, header: { "Idempotency-Key": key } }, body })).catch((why: Error) => {
          const part = why instanceof Refused ? body.items[parseInt(/^items\[(\d+)\]/.exec(why.field)?.[1] ?? "")] : undefined;
          throw part && why instanceof Refused ? new Refused(field(part.place), why.detail) : why;
        });
        const back = (made.refunds ?? []).flatMap((r) => r.lineItems);
        const ids = [...new Set(back.map((l) => l.activationId))];
        return `Refunded ${full(sumBy(back, (l) => l.tokens))} tokens to ${ids.join(", ")}.`;
      }}
    >
      {(wrong) => (
        <div className="entries">
          {parts.map(({ item, place, left }) => (
            <Entry key={place} wide label={`Tokens of ${item.item} ${item.version ?? ""}`.trim()} hint={`${full(left)} of ${full(item.tokens)} can be refunded; write less for a part.`} {...wrong(field(place))}>
              {(p) => <input {...p} name={field(place)} inputMode="decimal" autoComplete="off" defaultValue={String(left)} />}
            </Entry>
          ))}
          <Entry wide label="Reason" hint="Kept with the record, for whoever reads it later." {...wrong("reason")}>{(p) => <input {...p} name="reason" maxLength={1024} autoComplete="off" />}</Entry>
        </div>
      )}
    </Move>
  );
}

/** What every line item would have that gets something back. */
async function preview(receipt: Receipt, items: readonly Part[]): Promise<{ changes: ChangesOf[]; note?: ReactNode }> {
  const now = await standings(receipt.instanceId);
  const back = items.flatMap((p) => ((item) => (item ? backOf(item, item.refunded ?? 0, p.tokens) : []))(receipt.items[p.place]));
  const lost: string[] = [];
  const changes = [...new Set(back.map((b) => b.activationId))].map((activationId): ChangesOf => {
    const l = now.lineItems.find((one) => one.activationId === activationId);
    const mine = back.filter((b) => b.activationId === activationId);
    if (!l) return { of: `${activationId}, which was deleted`, changes: [{ what: "Gets back", before: 0, after: sumBy(mine, (b) => b.tokens) }] };
    const counting = mine.filter((b) => b.allowance === undefined || !allowanceOver(l, b.allowance, now.time));
    if (counting.length < mine.length) lost.push(activationId);
    return { of: activationId, changes: changesOf(l, { used: minus(l.used, sumBy(counting, (b) => b.tokens)) }) };
  });
  return { changes, ...(lost.length > 0 ? { note: <p className="warn">The allowance of {lost.join(", ")} that paid is over, so what goes back to it is recorded and can no longer be used.</p> } : {}) };
}
