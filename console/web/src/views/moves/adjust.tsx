import { useState } from "react";
import { answer, api, Refused } from "../../api/client";
import { minus, plus } from "../../api/decimal";
import { Entry } from "../../ui/form";
import { full } from "../../ui/format";
import { amountOf, Move, textOf } from "./move";
import { changesOf, standingOf } from "./standing";
import type { OneLineItem } from "./topup";

/** Corrects what is used of a line item, and says why. */
export function Adjust({ instanceId, activationId, close }: OneLineItem) {
  const [way, setWay] = useState<"back" | "used">("back");
  return (
    <Move
      title={`Adjust ${activationId}`} close={close}
      prepare={async (said) => {
        const amount = amountOf(said, "tokens");
        if (amount <= 0) throw new Refused("tokens", "Write more than 0; above is said which way they go.");
        const now = await standingOf(instanceId, activationId);
        const tokens = way === "used" ? amount : minus(0, amount);
        return {
          body: { tokens, reason: textOf(said, "reason") }, action: way === "used" ? `Count ${full(amount)} tokens as used` : `Give ${full(amount)} tokens back`,
          changes: [{ of: activationId, changes: changesOf(now, { used: plus(now.used, tokens) }) }],
          note: <p className="quiet">Reason: {textOf(said, "reason")}</p>,
        };
      }}
      make={async (body, key) => {
        await answer(api.POST("/farebox/v1/instances/{instanceId}/line-items/{lineItemId}/adjustments", {
          params: { path: { instanceId, lineItemId: activationId }, header: { "Idempotency-Key": key } }, body,
        }));
        return body.tokens > 0 ? `Counted ${full(body.tokens)} tokens of ${activationId} as used.` : `Gave ${full(minus(0, body.tokens))} tokens back to ${activationId}.`;
      }}
    >
      {(wrong) => (
        <div className="entries">
          <fieldset className="ways whole">
            <legend>What is to happen</legend>
            <label><input type="radio" name="way" checked={way === "back"} onChange={() => setWay("back")} /> Give tokens back <span className="quiet">less is used</span></label>
            <label><input type="radio" name="way" checked={way === "used"} onChange={() => setWay("used")} /> Count tokens as used <span className="quiet">more is used</span></label>
          </fieldset>
          <Entry label="Tokens" {...wrong("tokens")}>{(p) => <input {...p} name="tokens" inputMode="decimal" autoComplete="off" required autoFocus />}</Entry>
          <Entry wide label="Reason" hint="Kept with the record, for whoever reads it later." {...wrong("reason")}>{(p) => <input {...p} name="reason" maxLength={1024} autoComplete="off" required />}</Entry>
        </div>
      )}
    </Move>
  );
}
