import { answer, api, Refused } from "../../api/client";
import { minus, plus } from "../../api/decimal";
import { useLoad } from "../../ui/data";
import { Entry } from "../../ui/form";
import { full, short } from "../../ui/format";
import { Empty, Failed, Loading } from "../../ui/states";
import { Dialog } from "../../ui/dialog";
import { Move, textOf, wholeOf } from "./move";
import { changesOf, type LineItem, standingOf, standings } from "./standing";
import type { OneLineItem } from "./topup";

type Target = { instanceId: string; shortName: string; lineItem: LineItem };

const instancesMost = 20; // whose line items are offered

/** The line items of the same account that may take tokens. */
async function targets(instanceId: string, activationId: string): Promise<{ all: Target[]; more: number }> {
  const { accountId } = await answer(api.GET("/dynamicmonetization/provisioning/api/v1.1/instances/{instanceId}", { params: { path: { instanceId } } }));
  const { instances, total } = await answer(api.GET("/farebox/v1/instances", { params: { query: { accountId, sort: "name", limit: instancesMost } } }));
  const all = await Promise.all(instances.map(async (i) => (await standings(i.instanceId)).lineItems.map((lineItem) => ({ instanceId: i.instanceId, shortName: i.shortName, lineItem }))));
  const fit = all.flat().filter((t) => t.lineItem.activationId !== activationId && t.lineItem.state !== "OBSOLETE" && !t.lineItem.resetFrequency);
  return { all: fit, more: total - instances.length };
}

/** Moves unused tokens from a line item to another one of the account. */
export function Transfer({ instanceId, activationId, close }: OneLineItem) {
  const loaded = useLoad(`targets ${instanceId} ${activationId}`, () => targets(instanceId, activationId));
  const title = `Transfer from ${activationId}`;
  if (loaded.state === "ready" && loaded.data.all.length > 0) return <From {...{ title, instanceId, activationId, close }} targets={loaded.data.all} more={loaded.data.more} />;
  return (
    <Dialog title={title} close={close}>
      {loaded.state === "loading" ? <Loading /> : loaded.state === "error" ? <Failed error={loaded.error} retry={loaded.retry} />
        : <Empty>The account has no other line item that could take tokens. Allowances that recur, and line items that are obsolete, take none.</Empty>}
    </Dialog>
  );
}

function From({ title, instanceId, activationId, close, targets: all, more }: OneLineItem & { title: string; targets: Target[]; more: number }) {
  const instances = [...new Set(all.map((t) => t.instanceId))];
  const option = (t: Target) => <option key={t.lineItem.activationId} value={t.lineItem.activationId}>{t.lineItem.activationId}, {short(t.lineItem.balance)} left{t.lineItem.usable ? "" : ", not usable now"}</option>;
  return (
    <Move
      title={title} close={close}
      prepare={async (said) => {
        const tokens = wholeOf(said, "tokens");
        const to = all.find((t) => t.lineItem.activationId === textOf(said, "to.activationId"));
        if (!to) throw new Refused("to.activationId", "Choose a line item.");
        const [giver, taker] = await Promise.all([standingOf(instanceId, activationId), standingOf(to.instanceId, to.lineItem.activationId)]);
        const ends = taker.end < giver.end;
        return {
          body: { tokens, from: { instanceId, activationId }, to: { instanceId: to.instanceId, activationId: to.lineItem.activationId } }, action: `Transfer ${full(tokens)} tokens`,
          changes: [
            { of: activationId, changes: changesOf(giver, { quantity: minus(giver.quantity, tokens) }) },
            { of: taker.activationId, changes: changesOf(taker, { quantity: plus(taker.quantity, tokens) }) },
          ],
          ...(ends ? { note: <p className="warn">{taker.activationId} ends earlier than {activationId}: the tokens are good for a shorter time there.</p> } : {}),
        };
      }}
      make={async (body, key) => {
        const { to } = await answer(api.POST("/farebox/v1/transfers", { params: { header: { "Idempotency-Key": key } }, body }));
        return `Transferred ${full(body.tokens)} tokens from ${activationId} to ${to.after.activationId}.`;
      }}
    >
      {(wrong) => (
        <div className="entries">
          <Entry wide label="To" {...(more > 0 ? { hint: `Of the account's first ${instancesMost} instances; it has ${short(more)} more, to which the API transfers.` } : {})} {...wrong("to.activationId")}>
            {(p) => (
              <select {...p} name="to.activationId" required autoFocus>
                {instances.length === 1 ? all.map(option) : instances.map((i) => <optgroup key={i} label={all.find((t) => t.instanceId === i)?.shortName ?? i}>{all.filter((t) => t.instanceId === i).map(option)}</optgroup>)}
              </select>
            )}
          </Entry>
          <Entry label="Tokens" hint="Whole tokens that are unused." {...wrong("tokens")}>{(p) => <input {...p} name="tokens" inputMode="numeric" autoComplete="off" required />}</Entry>
        </div>
      )}
    </Move>
  );
}
