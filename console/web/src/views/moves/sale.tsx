import { useState } from "react";
import { answer, api, Refused, type Schemas } from "../../api/client";
import { plus, times } from "../../api/decimal";
import { Link } from "../../router";
import { useLoad } from "../../ui/data";
import { Dialog } from "../../ui/dialog";
import { Entry } from "../../ui/form";
import { full, Time } from "../../ui/format";
import { Empty, Failed, Loading } from "../../ui/states";
import { amountOf, ifSaid, momentOf, Move, textOf, wholeOf } from "./move";
import { lastsMS, terms } from "./pack-terms";
import { standings } from "./standing";

type Pack = Schemas["Pack"];

/** Sells packs to an instance: one line item, and a record of the order, which sells once. */
export function Sale({ instanceId, close }: { instanceId: string; close: () => void }) {
  const loaded = useLoad("packs", async () => (await answer(api.GET("/farebox/v1/packs"))).packs);
  if (loaded.state === "ready" && loaded.data.length > 0) return <Selling {...{ instanceId, close }} packs={loaded.data} />;
  return (
    <Dialog title="Sell a pack" close={close}>
      {loaded.state === "loading" ? <Loading /> : loaded.state === "error" ? <Failed error={loaded.error} retry={loaded.retry} />
        : <Empty>There is no pack yet. <Link to="/packs">Make one</Link>, or sell a line item by hand.</Empty>}
    </Dialog>
  );
}

function Selling({ instanceId, close, packs }: { instanceId: string; close: () => void; packs: readonly Pack[] }) {
  const [name, setName] = useState(packs[0]?.name ?? "");
  const pack = packs.find((p) => p.name === name);
  if (!pack) return null;
  return (
    <Move
      title="Sell a pack" close={close}
      prepare={async (said) => {
        const { start, end, overdraftPercent } = { start: ifSaid(said, "start", momentOf), end: ifSaid(said, "end", momentOf), overdraftPercent: ifSaid(said, "overdraftPercent", amountOf) };
        const quantity = wholeOf(said, "quantity");
        if (quantity < 1) throw new Refused("quantity", "must be at least 1: how many packs are sold");
        const activationId = textOf(said, "activationId");
        const body = {
          orderNumber: textOf(said, "orderNumber"), instanceId, quantity, ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }),
          ...(overdraftPercent === undefined ? {} : { overdraftPercent }), ...(activationId ? { activationId } : {}),
        };
        const now = await standings(instanceId);
        const tokens = times(pack.quantity, quantity);
        const usable = (start ?? now.time) <= now.time;
        const ends = end ?? (start ?? now.time) + (lastsMS(pack.period) ?? 0);
        return {
          body: { pack: name, body }, action: `Sell ${full(tokens)} tokens`,
          changes: [
            { of: `New line item ${activationId || body.orderNumber}`, changes: [{ what: "Quantity", before: "–", after: tokens }, { what: "Starts", before: "–", after: <Time ms={start ?? now.time} /> }, { what: "Ends", before: "–", after: <Time ms={ends} /> }] },
            { of: "All that the customer can use now", changes: [{ what: "Left", before: now.total.balance, after: usable ? plus(now.total.balance, tokens) : now.total.balance }] },
          ],
          ...(usable ? {} : { note: <p className="quiet">It starts later; until then it changes nothing.</p> }),
        };
      }}
      make={async ({ pack: sold, body }, key) => {
        const call = api.POST("/farebox/v1/packs/{name}/sales", { params: { path: { name: sold }, header: { "Idempotency-Key": key } }, body });
        const { lineItem, orderNumber } = await answer(call);
        if ((await call).response.status === 200) return `The order ${orderNumber} was sold before, as ${lineItem.activationId}; nothing was sold again.`;
        return `Sold ${body.quantity === 1 ? sold : `${full(body.quantity)} × ${sold}`}: ${lineItem.activationId} has ${full(lineItem.quantity)} tokens.`;
      }}
    >
      {(wrong) => (
        <div className="entries">
          <Entry wide label="Pack" hint={terms(pack)} {...wrong("pack")}>{(p) => <select {...p} name="pack" value={name} onChange={(e) => setName(e.target.value)} autoFocus>{packs.map((o) => <option key={o.name} value={o.name}>{o.name}</option>)}</select>}</Entry>
          <Entry label="Order number" hint="It sells once, for good." {...wrong("orderNumber")}>{(p) => <input {...p} name="orderNumber" maxLength={256} autoComplete="off" required />}</Entry>
          <Entry label="How many packs" {...wrong("quantity")}>{(p) => <input {...p} name="quantity" inputMode="numeric" autoComplete="off" required defaultValue="1" />}</Entry>
          <Entry label="Starts" hint="Now, unless told." {...wrong("start")}>{(p) => <input {...p} type="datetime-local" name="start" />}</Entry>
          {!pack.period && <Entry label="Ends" {...wrong("end")}>{(p) => <input {...p} type="datetime-local" name="end" required />}</Entry>}
          {pack.overdraftType === "PERCENT_AT_SALE" && <Entry label="Overdraft in percent" hint="Of the tokens that are sold." {...wrong("overdraftPercent")}>{(p) => <input {...p} name="overdraftPercent" inputMode="decimal" autoComplete="off" required />}</Entry>}
          <Entry label="Name of the line item" hint="The order number, unless told." {...wrong("activationId")}>{(p) => <input {...p} name="activationId" maxLength={256} autoComplete="off" />}</Entry>
        </div>
      )}
    </Move>
  );
}
