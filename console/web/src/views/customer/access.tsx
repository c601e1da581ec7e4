import { useState } from "react";
import { answer, api, Refused, type Schemas } from "../../api/client";
import { numberOf } from "../../api/exact";
import { useMake } from "../../ui/confirm";
import { useLoad } from "../../ui/data";
import { Dialog } from "../../ui/dialog";
import { Entry } from "../../ui/form";
import { Number } from "../../ui/format";
import { Failed, Show } from "../../ui/states";
import { type Condition, nameOf } from "./condition";
import { Limit } from "./limit";
import "./rules.css";

const actionsPath = "/dynamicmonetization/api/v1.1/instances/{instanceId}/line-items/{lineItemId}/actions" as const;

type Action = Schemas["Action"];
type Draft = { id?: string; name: string; conditionId: string; action: Action["action"]; allocation: string; used?: number };

const draftOf = (a: Action): Draft => ({
  ...(a.id !== undefined ? { id: a.id } : {}), name: a.name ?? "", conditionId: a.conditionId ?? "", action: a.action,
  allocation: a.allocation === undefined ? "" : String(a.allocation), ...(a.used !== undefined ? { used: a.used } : {}),
});

const actionOf = (d: Draft): Action => ({
  ...(d.id !== undefined ? { id: d.id } : {}), ...(d.name.trim() ? { name: d.name.trim() } : {}), ...(d.conditionId ? { conditionId: d.conditionId } : {}), action: d.action,
  ...(d.action === "ALLOW" && d.allocation.trim() ? { allocation: numberOf(d.allocation) } : {}),
});

/** Who may use a line item, and how much each of them in a period. */
export function Access({ instanceId, lineItemId, close }: { instanceId: string; lineItemId: string; close: () => void }) {
  const path = { instanceId, lineItemId };
  const loaded = useLoad(`access ${instanceId} ${lineItemId}`, async () => {
    const [actions, conditions] = await Promise.all([
      answer(api.GET(actionsPath, { params: { path } })),
      answer(api.GET("/dynamicmonetization/api/v1.1/instances/{instanceId}/conditions", { params: { path: { instanceId } } })),
    ]);
    return { actions, conditions };
  });
  return (
    <Dialog title={`Access to ${lineItemId}`} close={close}>
      <Show of={loaded}>{({ actions, conditions }) => <Actions key={JSON.stringify(actions)} path={path} of={actions} conditions={conditions} />}</Show>
      <Limit instanceId={instanceId} lineItemId={lineItemId} />
    </Dialog>
  );
}

/** The rules of a line item in their order, replaced as a whole: those that stay keep what was used of them. */
function Actions({ path, of, conditions }: { path: { instanceId: string; lineItemId: string }; of: Action[]; conditions: Condition[] }) {
  const [drafts, setDrafts] = useState(of.map(draftOf));
  const unread = drafts.findIndex((d) => d.action === "ALLOW" && d.allocation.trim() !== "" && isNaN(numberOf(d.allocation)));
  const body = drafts.map(actionOf);
  const make = async (key: string) => {
    if (unread >= 0) throw new Refused(`[${unread}].allocation`, "Write a number, such as 1000 or 0.5.");
    await answer(api.PUT(actionsPath, { params: { path, header: { "Idempotency-Key": key } }, body }));
    return drafts.length > 0 ? `The rules of ${path.lineItemId} are set.` : `Everybody may use ${path.lineItemId} now.`;
  };
  const { busy, error, go, forget } = useMake({ make, body: [body, unread] }, () => undefined);
  const set = (i: number, to: Partial<Draft>) => (forget(), setDrafts(drafts.with(i, { ...drafts[i]!, ...to })));
  const placed = error instanceof Refused && /^\[\d+\]\.(allocation|conditionId|name|action)$/.test(error.field);
  const wrong = (i: number, field: string) => (error instanceof Refused && error.field === `[${i}].${field}` ? { wrong: error.detail } : {});
  return (
    <section>
      <h3>Rules</h3>
      <p className="quiet">{drafts.length === 0 ? "Everybody may use this line item." : "The first rule that holds for a requester decides. Whoever none holds for may use nothing."}</p>
      <form onSubmit={(e) => (e.preventDefault(), void go())}>
        <ol className="rules">
          {drafts.map((d, i) => (
            <li key={i}>
              <div className="entries">
                <Entry label="Who" {...wrong(i, "conditionId")}>
                  {(p) => <select {...p} value={d.conditionId} onChange={(e) => set(i, { conditionId: e.target.value })}><option value="">everybody else</option>{conditions.map((c) => <option key={c.id} value={c.id}>{nameOf(c, conditions)}</option>)}</select>}
                </Entry>
                <Entry label="May use" {...wrong(i, "action")}>
                  {(p) => <select {...p} value={d.action} onChange={(e) => set(i, { action: e.target.value as Action["action"] })}><option value="ALLOW">tokens, as allocated</option><option value="DENY">nothing</option></select>}
                </Entry>
                {d.action === "ALLOW" && (
                  <Entry label="Allocation in tokens" hint={d.used === undefined ? undefined : <><Number value={d.used} /> used</>} {...wrong(i, "allocation")}>
                    {(p) => <input {...p} inputMode="decimal" autoComplete="off" value={d.allocation} placeholder={d.conditionId ? "" : "no bound"} onChange={(e) => set(i, { allocation: e.target.value })} />}
                  </Entry>
                )}
                <Entry label="Name of the rule" {...wrong(i, "name")}>{(p) => <input {...p} autoComplete="off" value={d.name} onChange={(e) => set(i, { name: e.target.value })} />}</Entry>
              </div>
              <div className="actions">
                <button type="button" disabled={i === 0} aria-label={`Move rule ${i + 1} up`} onClick={() => (forget(), setDrafts(drafts.with(i, drafts[i - 1]!).with(i - 1, d)))}>↑</button>
                <button type="button" disabled={i === drafts.length - 1} aria-label={`Move rule ${i + 1} down`} onClick={() => (forget(), setDrafts(drafts.with(i, drafts[i + 1]!).with(i + 1, d)))}>↓</button>
                <button type="button" aria-label={`Remove rule ${i + 1}`} onClick={() => (forget(), setDrafts(drafts.toSpliced(i, 1)))}>Remove</button>
              </div>
            </li>
          ))}
        </ol>
        {conditions.length === 0 && <p className="quiet">To tell requesters apart, add a condition to the customer’s rules of access first.</p>}
        {error && !placed && <Failed error={error} />}
        <div className="actions">
          <button type="button" onClick={() => (forget(), setDrafts([...drafts, { name: "", conditionId: conditions[0]?.id ?? "", action: "ALLOW", allocation: "" }]))}>Add a rule</button>
          <button className="primary" disabled={busy || JSON.stringify(drafts) === JSON.stringify(of.map(draftOf))}>Save rules</button>
        </div>
      </form>
    </section>
  );
}
