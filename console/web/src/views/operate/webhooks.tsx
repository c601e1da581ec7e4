import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { Link } from "../../router";
import { useLoad } from "../../ui/data";
import { Time } from "../../ui/format";
import { Card, Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";
import { Secret } from "./secret";
import { WebhookDialog } from "./webhook-moves";

type Webhook = Schemas["Webhook"];

/** Where events are sent to. */
export function Webhooks() {
  const [adding, add] = useState(false);
  const [secret, setSecret] = useState("");
  const loaded = useLoad("webhooks", async () => (await answer(api.GET("/farebox/v1/webhooks"))).webhooks, 10_000);
  return (
    <Card title="Webhooks" aside={<button onClick={() => add(true)}>Add a webhook</button>}>
      <Show of={loaded}>
        {(all) => all.length === 0 ? <Empty>Nothing is sent anywhere. A webhook tells your systems when an alert fires or is over, and when a customer is to be topped up.</Empty> : (
          <Table
            label="Webhooks" rows={all} id={(w) => w.id} most={20}
            columns={[
              { name: "Goes to", by: (w) => w.url, show: (w) => <div className="setting"><Link to={`/operate/webhooks/${w.id}`}>{w.url}</Link>{w.description && <p className="quiet">{w.description}</p>}</div> },
              { name: "Events", show: (w) => (w.types.length === 0 ? "all" : w.types.join(", ")) },
              { name: "State", by: stateOf, show: (w) => <Standing of={w} /> },
            ]}
          />
        )}
      </Show>
      {adding && <WebhookDialog close={() => add(false)} made={setSecret} />}
      {secret && !adding && <WebhookSecret text={secret} close={() => setSecret("")} />}
    </Card>
  );
}

/** Shows a secret that was made just now. */
export const WebhookSecret = ({ text, close }: { text: string; close: () => void }) => (
  <Secret title="The secret of the webhook" text={text} close={close}>Give it to the receiver, which verifies with it that what comes is from here. If it is lost, make a new one.</Secret>
);

const stateOf = (w: Webhook) => (w.disabled ? "disabled" : w.failing !== undefined ? "failing" : "in order");

export function Standing({ of: w }: { of: Webhook }) {
  const state = stateOf(w);
  return (
    <span>
      <span className={`badge ${state === "failing" || (w.disabled && w.reason) ? "bad" : state === "in order" ? "good" : ""}`}>{state}</span>
      {state === "failing" && w.failing !== undefined && <span className="quiet"> every attempt since <Time ms={w.failing} /></span>}
      {w.disabled && w.reason && <span className="quiet"> {w.reason}</span>}
    </span>
  );
}
