import { type FormEvent, useState } from "react";
import { answer, api, type Schemas } from "../api/client";
import { numberOf } from "../api/exact";
import { Field } from "../ui/dialog";
import { Number } from "../ui/format";
import { Card, Failed } from "../ui/states";

/** Says what a request would cost now; nothing is charged. */
export function Quote({ instanceId }: { instanceId: string }) {
  const [quote, show] = useState<Schemas["Quote"] | Error | null>(null);
  const ask = async (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    const said = new FormData(e.currentTarget);
    const text = (name: string) => String(said.get(name) ?? "").trim();
    const count = numberOf(text("count"));
    if (isNaN(count)) return show(new Error("Count: write a number, such as 2 or 0.5."));
    const body = { requester: { type: "USER", value: text("requester") }, requestedItems: [{ item: text("item"), version: text("version"), count }], allowPartial: false, allOrNothing: false };
    show(await answer(api.POST("/farebox/v1/instances/{instanceId}/quote", { params: { path: { instanceId } }, body })).catch((error: Error) => error));
  };
  return (
    <Card title="What would this cost now?" aside={<span className="quiet">nothing is charged</span>}>
      <form className="fields" onSubmit={(e) => void ask(e)}>
        <Field label="Item"><input name="item" required /></Field>
        <Field label="Version"><input name="version" /></Field>
        <Field label="Count"><input name="count" inputMode="decimal" autoComplete="off" defaultValue="1" required /></Field>
        <Field label="Requester"><input name="requester" defaultValue="someone" required /></Field>
        <button className="primary">Ask</button>
      </form>
      <div aria-live="polite">
        {quote instanceof Error ? <Failed error={quote} /> : quote?.requestedItems.map((i) => i.lineItems.length === 0 ? <p key={i.item} className="warn">{i.status.description}</p> : (
          <div key={i.item}>
            <p>{i.item} {i.version} ×<Number value={i.count} /> would cost <strong><Number value={i.tokens} /> tokens</strong>.</p>
            <ul className="slices">{i.lineItems.map((l) => <li key={l.activationId}>{l.activationId} pays <Number value={l.tokens} />, then <Number value={l.balance} /> are left{l.overdraft > 0 && <span className="warn">, <Number value={l.overdraft} /> of it overdraft</span>}</li>)}</ul>
          </div>
        ))}
      </div>
    </Card>
  );
}
