import { useState } from "react";
import { answer, api, Refused, type Schemas } from "../../api/client";
import { useLoad } from "../../ui/data";
import { Entry } from "../../ui/form";
import { periodInWords, Time } from "../../ui/format";
import { Card, Show } from "../../ui/states";
import { Table } from "../../ui/table";
import { Move, textOf } from "../moves/move";

type Value = Schemas["ConfigValue"];
type Name = Schemas["NewConfigValueV11"]["name"];

/** What a value means, for people; one that is not here is shown as it is, and not changed here. */
const known: Record<string, { means: string; hint: string; empty?: string }> = {
  "timezone.tolerant": { means: "Line items are usable from 12 hours before their start until 12 hours after their end.", hint: "true or false" },
  "session.charge.period": { means: "How long one charge of a session lasts. Sessions take a change with their next charge.", hint: "From PT10M to PT24H, such as PT1H30M." },
  "usage.retention": { means: "How long usage events are kept once they were exported.", hint: "Days, at least P8D, such as P400D. Empty: for ever.", empty: "for ever" },
};

const shown = (v: Value) => v.value || known[v.name]?.empty || "–";

/** What the server runs with, for all instances. */
export function Configuration() {
  const [changing, change] = useState<Value | null>(null);
  const loaded = useLoad("configuration", () => answer(api.GET("/dynamicmonetization/provisioning/api/v1.1/configuration")));
  return (
    <Card title="Configuration">
      <Show of={loaded}>
        {(values) => (
          <Table
            label="Configuration" rows={values} id={(v) => v.name}
            columns={[
              { name: "Setting", show: (v) => <div className="setting"><code>{v.name}</code>{known[v.name] && <p className="quiet">{known[v.name]?.means}</p>}</div> },
              { name: "Value", show: (v) => <><strong>{shown(v)}</strong>{v.value.startsWith("P") && <small> {periodInWords(v.value)}</small>}</> },
              { name: "Changed", show: (v) => (v.modified === undefined ? <span className="quiet">never: the default</span> : <span className="setting"><Time ms={v.modified} />{v.updatedBy && <span className="quiet"> by <code>{v.updatedBy}</code></span>}</span>) },
              { name: "Actions", bare: true, right: true, show: (v) => known[v.name] && <button aria-label={`Change ${v.name}`} onClick={() => change(v)}>Change</button> },
            ]}
          />
        )}
      </Show>
      {changing && <ChangeValue of={changing} close={() => change(null)} />}
    </Card>
  );
}

function ChangeValue({ of, close }: { of: Value; close: () => void }) {
  const { hint, means } = known[of.name] ?? { hint: "", means: "" };
  const bool = of.value === "true" || of.value === "false";
  return (
    <Move
      title={`Change ${of.name}`} close={close}
      prepare={async (said) => {
        const value = textOf(said, "value");
        if (value === of.value) throw new Refused("value", "This is what it is now.");
        return { body: { name: of.name as Name, value }, action: "Change it", changes: [{ of: of.name, changes: [{ what: "Value", before: shown(of), after: shown({ ...of, value }) }] }], note: <p className="quiet">It holds for all customers.</p> };
      }}
      make={async (body, key) => {
        await answer(api.PATCH("/dynamicmonetization/provisioning/api/v1.1/configuration", { params: { header: { "Idempotency-Key": key } }, body }));
        return `Changed ${of.name}.`;
      }}
    >
      {(wrong) => (
        <Entry label={means} hint={hint} {...wrong("value")}>
          {(e) => (bool ? <select {...e} name="value" defaultValue={of.value} autoFocus><option>true</option><option>false</option></select> : <input {...e} name="value" defaultValue={of.value} autoComplete="off" spellCheck={false} autoFocus />)}
        </Entry>
      )}
    </Move>
  );
}
