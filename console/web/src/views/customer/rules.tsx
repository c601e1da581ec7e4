import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { Confirm } from "../../ui/confirm";
import { useLoad } from "../../ui/data";
import { Number, short } from "../../ui/format";
import { Card, Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";
import { Access } from "./access";
import { type Condition, inWords, nameOf } from "./condition";
import { ConditionDialog } from "./conditiondialog";
import "./rules.css";

const lineItemsMost = 2_000; // whose rules are listed; each has a dialog of its own

/** Who may use which line items: conditions on requesters, and what line items give to those for whom they hold. */
export function Rules({ instanceId }: { instanceId: string }) {
  const path = { instanceId };
  const conditions = useLoad(`conditions ${instanceId}`, () => answer(api.GET("/dynamicmonetization/api/v1.1/instances/{instanceId}/conditions", { params: { path } })));
  const ruled = useLoad(`ruled ${instanceId}`, () => withRules(instanceId));
  return (
    <Card title="Rules of access" aside={conditions.state === "ready" && <NewCondition instanceId={instanceId} all={conditions.data} />}>
      <Show of={conditions}>
        {(all) => (
          <>
            {all.length === 0 ? <Empty>There is no condition: rules can tell nobody apart yet.</Empty> : <Conditions instanceId={instanceId} all={all} />}
            <h3 className="second">Line items with rules</h3>
            <Show of={ruled}>{({ some, more }) => <Ruled instanceId={instanceId} all={all} some={some} more={more} />}</Show>
          </>
        )}
      </Show>
    </Card>
  );
}

/** The line items that have rules, of so many at most. */
async function withRules(instanceId: string) {
  const some: Schemas["LineItemActions"][] = [];
  let next = 0;
  for (let seen = 0; seen < lineItemsMost; ) {
    const page = await answer(api.GET("/dynamicmonetization/api/v1.1/instances/{instanceId}/line-items/actions", { params: { path: { instanceId }, query: { size: 1000, ...(next > 0 ? { next } : {}) } } }));
    some.push(...page.lineItems.filter((l) => l.actions.length > 0));
    seen += page.lineItems.length;
    next = page.next;
    if (next === 0) break;
  }
  return { some, more: next !== 0 };
}

function NewCondition({ instanceId, all }: { instanceId: string; all: readonly Condition[] }) {
  const [open, setOpen] = useState(false);
  return <div className="actions"><button onClick={() => setOpen(true)}>New condition</button>{open && <ConditionDialog instanceId={instanceId} of={null} all={all} close={() => setOpen(false)} />}</div>;
}

function Conditions({ instanceId, all }: { instanceId: string; all: readonly Condition[] }) {
  const [changing, change] = useState<Condition | null>(null);
  const [doomed, doom] = useState<Condition | null>(null);
  const remove = (c: Condition) => async (key: string) => {
    await answer(api.DELETE("/dynamicmonetization/api/v1.1/instances/{instanceId}/conditions/{conditionId}", { params: { path: { instanceId, conditionId: c.id ?? "" }, header: { "Idempotency-Key": key } } }));
    return "The condition was deleted.";
  };
  return (
    <>
      {changing && <ConditionDialog instanceId={instanceId} of={changing} all={all} close={() => change(null)} />}
      {doomed && (
        <Confirm title="Delete this condition?" action="Delete" danger make={remove(doomed)} body={doomed.id} close={() => doom(null)}>
          <p>{doomed.name && <><strong>{doomed.name}</strong>: </>}{inWords(doomed, all)}</p>
          <p className="quiet">A condition that a rule or another condition refers to cannot be deleted.</p>
        </Confirm>
      )}
      <Table
        label="Conditions" rows={all} id={(c) => c.id ?? ""}
        columns={[
          { name: "Condition", by: (c) => c.name ?? "", show: (c) => <strong>{c.name || "unnamed"}</strong> },
          { name: "Holds when", wide: true, show: (c) => <span className="words">{inWords(c, all)}</span> },
          { name: "Actions", bare: true, show: (c) => <div className="actions"><button aria-label={`Change condition ${nameOf(c, all)}`} onClick={() => change(c)}>Change…</button><button aria-label={`Delete condition ${nameOf(c, all)}`} onClick={() => doom(c)}>Delete…</button></div> },
        ]}
      />
    </>
  );
}

function Ruled({ instanceId, all, some, more }: { instanceId: string; all: readonly Condition[]; some: Schemas["LineItemActions"][]; more: boolean }) {
  const [open, setOpen] = useState("");
  return (
    <>
      {open && <Access instanceId={instanceId} lineItemId={open} close={() => setOpen("")} />}
      {some.length === 0 ? <Empty>Everybody may use every line item. “Access” at a line item gives it rules.</Empty> : (
        <Table
          label="Line items with rules" rows={some} id={(l) => l.lineItemId}
          columns={[
            { name: "Line item", by: (l) => l.lineItemId, show: (l) => l.lineItemId },
            { name: "Rules, the first that holds decides", wide: true, show: (l) => <ol className="words">{l.actions.map((a) => <li key={a.id}><Rule of={a} all={all} /></li>)}</ol> },
            { name: "Actions", bare: true, show: (l) => <div className="actions"><button aria-label={`Access to ${l.lineItemId}, its rules`} onClick={() => setOpen(l.lineItemId)}>Change…</button></div> },
          ]}
        />
      )}
      {more && <p className="quiet">Of more than {short(lineItemsMost)} line items, only the rules of the oldest are listed.</p>}
    </>
  );
}

function Rule({ of: a, all }: { of: Schemas["Action"]; all: readonly Condition[] }) {
  const who = a.conditionId ? nameOf(all.find((c) => c.id === a.conditionId) ?? { id: a.conditionId }, all) : "everybody else";
  if (a.action === "DENY") return <>{who} may use nothing</>;
  if (a.allocation === undefined) return <>{who} may use it</>;
  return <>{who} may use <Number value={a.allocation} /> tokens, <Number value={a.used ?? 0} /> used</>;
}
