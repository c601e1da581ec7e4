import type { ReactNode } from "react";
import { answer, api, Refused, type Schemas } from "../../api/client";
import { minus } from "../../api/decimal";
import { useLoad } from "../../ui/data";
import { Dialog } from "../../ui/dialog";
import { full, Time } from "../../ui/format";
import { Failed, Loading } from "../../ui/states";
import type { Change } from "../../ui/confirm";
import { fresh, LineItemFields, read, type Terms, termsOf, written } from "./lineitem-form";
import { Move } from "./move";
import { after, standingOf } from "./standing";
import type { OneLineItem } from "./topup";

type LineItem = Schemas["LineItemV11"];

const get = (instanceId: string, lineItemId: string) => answer(api.GET("/dynamicmonetization/provisioning/api/v1.1/instances/{instanceId}/line-items/{lineItemId}", { params: { path: { instanceId, lineItemId } } }));
const put = (instanceId: string, body: LineItem, key: string) => answer(api.PUT("/dynamicmonetization/provisioning/api/v1.1/instances/{instanceId}/line-items", { params: { path: { instanceId }, header: { "Idempotency-Key": key } }, body }));

/** Sells a line item by hand; what is sold often is a pack. */
export function NewLineItem({ instanceId, close }: { instanceId: string; close: () => void }) {
  return (
    <Move
      title="New line item" close={close}
      prepare={async (said) => {
        const body = written(read(said, fresh()));
        // A line item of this name would be replaced, here; elsewhere the server refuses.
        const there = await get(instanceId, body.activationId).then(() => true, () => false);
        if (there) throw new Refused("activationId", "There is a line item of this name; change that, or choose another name.");
        const terms = termsOf(body);
        return { body, action: "Create the line item", changes: [{ of: body.activationId, changes: labels(terms).filter(([, , v]) => v !== "").map(([what, , v]) => ({ what, before: "–", after: v })) }] };
      }}
      make={async (body, key) => {
        await put(instanceId, body, key);
        return `Created the line item ${body.activationId} with ${full(body.quantity)} tokens.`;
      }}
    >
      {(wrong) => <LineItemFields terms={fresh()} wrong={wrong} create />}
    </Move>
  );
}

/** Changes a line item. What its form leaves alone stays as it is at that moment, so that a top-up in between is not undone. */
export function ChangeLineItem({ instanceId, activationId, close }: OneLineItem) {
  const loaded = useLoad(`line item ${instanceId} ${activationId}`, async () => termsOf(await get(instanceId, activationId)));
  const title = `Change ${activationId}`;
  if (loaded.state !== "ready") return <Dialog title={title} close={close}>{loaded.state === "loading" ? <Loading /> : <Failed error={loaded.error} retry={loaded.retry} />}</Dialog>;
  return <Changing {...{ title, instanceId, activationId, close }} began={loaded.data} />;
}

function Changing({ title, instanceId, activationId, close, began }: OneLineItem & { title: string; began: Terms }) {
  return (
    <Move
      title={title} close={close}
      prepare={async (said) => {
        const asked = read(said, began);
        const [now, standing] = await Promise.all([get(instanceId, activationId).then(termsOf), standingOf(instanceId, activationId)]);
        const next = { ...now, ...Object.fromEntries(Object.entries(asked).filter(([name, v]) => v !== began[name as keyof Terms])) };
        const body = written(next);
        const changes = labels(now).flatMap(([what, name, before]): Change[] => {
          const is = labels(next).find(([, n]) => n === name)?.[2] ?? "";
          return String(now[name]) === String(next[name]) ? [] : [{ what, before: before === "" ? "–" : before, after: is === "" ? "–" : is }];
        });
        if (changes.length === 0) throw new Refused("", "Nothing is changed.");
        const [was, is] = [after(standing, {}), after(standing, { quantity: body.quantity })];
        changes.push({ what: "Left", before: was.left, after: is.left });
        if (was.overdraft > 0 || is.overdraft > 0) changes.push({ what: "Overdraft used", before: was.overdraft, after: is.overdraft });
        return { body, action: "Change the line item", changes: [{ of: activationId, changes }], note: warning(body, standing.used) };
      }}
      make={async (body, key) => {
        await put(instanceId, body, key);
        return `Changed the line item ${activationId}.`;
      }}
    >
      {(wrong) => <LineItemFields terms={began} wrong={wrong} />}
    </Move>
  );
}

/** What people may not see coming. */
function warning(l: LineItem, used: number) {
  if (l.state === "OBSOLETE") return <p className="warn">Obsolete is for good: it can never be charged again.</p>;
  if (minus(l.quantity, used) < 0) return <p className="warn">{full(used)} tokens are used, which is more than this quantity: nothing more is granted, but by overdraft.</p>;
  if (l.end <= Date.now()) return <p className="warn">This end is past: it can not be charged from now on.</p>;
  return null;
}

const overdrafts = { "": "none", Number: "up to a limit", Unlimited: "without end" };

/** Terms in words, by name; empty: not told. */
function labels(t: Terms): [what: string, name: keyof Terms, shown: number | ReactNode][] {
  return [
    ["State", "state", t.state.toLowerCase()],
    ["Quantity", "quantity", t.quantity],
    ["Starts", "start", <Time ms={t.start} />],
    ["Ends", "end", t.end === 253402300799999 ? "never" : <Time ms={t.end} />],
    ["Priced by the series", "series", t.series || "tables without a series"],
    ["Overdraft", "overdraftType", overdrafts[t.overdraftType]],
    ["Overdraft limit", "overdraftLimit", t.overdraftLimit ?? ""],
    ["Anew every", "resetFrequency", t.resetFrequency === "" ? "" : t.resetFrequency.toLowerCase()],
    ["Priority", "priority", t.priority],
    ["Kind", "kind", t.kind === "FREE" ? "given away" : "sold"],
    ["Price of a token", "unitPrice", t.unitPrice ?? ""],
    ["Currency", "currency", t.currency],
    ["May be charged", "elastic", t.elastic ? "yes" : "no"],
  ];
}
