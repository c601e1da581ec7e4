import { answer, api } from "../../api/client";
import { plus } from "../../api/decimal";
import { Entry } from "../../ui/form";
import { full } from "../../ui/format";
import { Move, wholeOf } from "./move";
import { changesOf, standingOf } from "./standing";

export type OneLineItem = { instanceId: string; activationId: string; close: () => void };

/** Adds bought tokens to a line item. */
export function TopUp({ instanceId, activationId, close }: OneLineItem) {
  return (
    <Move
      title={`Top up ${activationId}`} close={close}
      prepare={async (said) => {
        const tokens = wholeOf(said, "tokens");
        const now = await standingOf(instanceId, activationId);
        return { body: { tokens }, action: `Add ${full(tokens)} tokens`, changes: [{ of: activationId, changes: changesOf(now, { quantity: plus(now.quantity, tokens) }) }] };
      }}
      make={async (body, key) => {
        const { before, after } = await answer(api.POST("/farebox/v1/instances/{instanceId}/line-items/{lineItemId}/top-up", {
          params: { path: { instanceId, lineItemId: activationId }, header: { "Idempotency-Key": key } }, body,
        }));
        return `Added ${full(body.tokens)} tokens to ${activationId}: its quantity went from ${full(before.quantity)} to ${full(after.quantity)}.`;
      }}
    >
      {(wrong) => <Entry label="Tokens to add" hint="Bought tokens: the quantity grows by them." {...wrong("tokens")}>{(p) => <input {...p} name="tokens" inputMode="numeric" autoComplete="off" required autoFocus />}</Entry>}
    </Move>
  );
}
