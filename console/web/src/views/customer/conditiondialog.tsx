import { useState } from "react";
import { answer, api, Refused } from "../../api/client";
import { useMake } from "../../ui/confirm";
import { Dialog } from "../../ui/dialog";
import { Entry } from "../../ui/form";
import { Failed } from "../../ui/states";
import { type Condition, conditionOf, type Draft, draftOf, fresh, nameOf } from "./condition";

const path = "/dynamicmonetization/api/v1.1/instances/{instanceId}/conditions" as const;
const depth = 4; // of new ones; the server takes more

/** Makes a condition or changes one, as a whole. */
export function ConditionDialog({ instanceId, of, all, close }: { instanceId: string; of: Condition | null; all: readonly Condition[]; close: () => void }) {
  const [name, setName] = useState(of?.name ?? "");
  const [draft, setDraft] = useState(of ? draftOf(of) : fresh());
  const body = { conditions: [{ ...(of?.id !== undefined ? { id: of.id } : {}), ...(name.trim() ? { name: name.trim() } : {}), ...conditionOf(draft) }] };
  const make = async (key: string) => {
    const params = { path: { instanceId }, header: { "Idempotency-Key": key } };
    await answer(of ? api.PATCH(path, { params, body }) : api.POST(path, { params, body }));
    return of ? "The condition was changed." : "The condition was added.";
  };
  const { busy, error, go } = useMake({ make, body }, close);
  const where = error instanceof Refused ? error.field.replace(/^conditions\[0\]/, "").replace(/(\.values)\[\d+\]$/, "$1") : "";
  const placed = /\.(name|key|values|id)$|\.conditions\[\d+\]$/.test(where);
  const wrong = (field: string) => (error instanceof Refused && where !== "" && where === field ? { wrong: error.detail } : {});
  return (
    <Dialog title={of ? "Change condition" : "New condition"} close={close} own>
      <form onSubmit={(e) => (e.preventDefault(), void go())}>
        <p className="quiet">It holds for requesters by what their dictionary says.</p>
        <Entry label="Name" {...wrong(".name")}>{(p) => <input {...p} value={name} onChange={(e) => setName(e.target.value)} placeholder="Design department" autoComplete="off" />}</Entry>
        <Editor of={draft} set={setDraft} others={all.filter((c) => c.id !== of?.id)} all={all} at="" level={1} wrong={wrong} />
        {error && !placed && <Failed error={error} />}
        <div className="actions confirm">
          <button className="primary" disabled={busy}>{of ? "Change" : "Add"}</button>
          <button type="button" disabled={busy} onClick={close}>Not now</button>
        </div>
      </form>
    </Dialog>
  );
}

type Parts = { of: Draft; set: (d: Draft) => void; others: readonly Condition[]; all: readonly Condition[]; at: string; level: number; wrong: (field: string) => { wrong?: string } };

function Editor({ of: d, set, others, all, at, level, wrong }: Parts) {
  const form = d.of !== undefined ? "of" : d.type === "SIMPLE" ? (d.not ? "not" : "in") : d.any ? "or" : "and";
  const choose = (to: string) => {
    if (to === "of") return set({ of: others[0]?.id ?? "" });
    if (to === "and" || to === "or") return set({ type: "COMPLEX", any: to === "or", parts: d.of === undefined && d.type === "COMPLEX" ? d.parts : [fresh()] });
    set(d.of === undefined && d.type === "SIMPLE" ? { ...d, not: to === "not" } : { ...fresh(), not: to === "not" } as Draft);
  };
  return (
    <fieldset className="condition">
      <legend className="hidden">Condition{at && ` ${at}`}</legend>
      <Entry label="It holds when" {...(d.of === undefined ? wrong(at ? at : ".type") : {})}>
        {(p) => (
          <select {...p} value={form} onChange={(e) => choose(e.target.value)}>
            <option value="in">a value is one of these</option>
            <option value="not">a value is none of these</option>
            {level < depth && <option value="and">all of several hold</option>}
            {level < depth && <option value="or">any of several holds</option>}
            {level > 1 && others.length > 0 && <option value="of">another condition holds</option>}
          </select>
        )}
      </Entry>
      {d.of !== undefined ? (
        <Entry label="Condition" {...wrong(`${at}.id`)}>
          {(p) => <select {...p} value={d.of} onChange={(e) => set({ of: e.target.value })}>{others.map((c) => <option key={c.id} value={c.id}>{nameOf(c, all)}</option>)}</select>}
        </Entry>
      ) : d.type === "SIMPLE" ? (
        <>
          <Entry label="Key of the dictionary" {...wrong(`${at}.key`)}>{(p) => <input {...p} value={d.key} onChange={(e) => set({ ...d, key: e.target.value })} placeholder="department" autoComplete="off" />}</Entry>
          <Entry label="Values, one a line" {...wrong(`${at}.values`)}>{(p) => <textarea {...p} rows={3} value={d.values} onChange={(e) => set({ ...d, values: e.target.value })} placeholder={"design\nsafety"} />}</Entry>
        </>
      ) : (
        <div className="parts">
          {d.parts.map((part, i) => (
            <div key={i}>
              <Editor of={part} set={(to) => set({ ...d, parts: d.parts.with(i, to) })} others={others} all={all} at={`${at}.conditions[${i}]`} level={level + 1} wrong={wrong} />
              {d.parts.length > 1 && <button type="button" className="sort narrow" onClick={() => set({ ...d, parts: d.parts.toSpliced(i, 1) })}>Remove this part</button>}
            </div>
          ))}
          <button type="button" onClick={() => set({ ...d, parts: [...d.parts, fresh()] })}>Add a part</button>
        </div>
      )}
    </fieldset>
  );
}
