import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { Confirm } from "../../ui/confirm";
import { useLoad } from "../../ui/data";
import { Dialog } from "../../ui/dialog";
import { Time, Until, When } from "../../ui/format";
import { CursorPages, useCursor } from "../../ui/pages";
import { Card, Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";
import { Came } from "./webhook";

type Delivery = Schemas["Delivery"];

const pageOf = 20; // the list is paged by the server: there may be many thousands
const states = { PENDING: ["waits", ""], DELIVERED: ["taken", "good"], FAILED: ["given up", "bad"] } as const;

/** What was sent to a webhook, and is to be; newest first. */
export function Deliveries({ of: w }: { of: Schemas["Webhook"] }) {
  const [open, setOpen] = useState<{ what: "read" | "replay"; delivery: Delivery } | null>(null);
  const cursor = useCursor(w.id);
  const query = { limit: pageOf, ...(cursor.at ? { next: parseInt(cursor.at) } : {}) };
  // The first page changes by itself; whoever leafs back reads in peace.
  const loaded = useLoad(`deliveries ${w.id} ${cursor.at}`, () => answer(api.GET("/farebox/v1/webhooks/{webhookId}/deliveries", { params: { path: { webhookId: w.id }, query } })), cursor.first ? 5_000 : 0);
  const close = () => setOpen(null);
  return (
    <Card title="Deliveries" aside={<span className="quiet">kept for 30 days once they are over</span>}>
      <Show of={loaded}>
        {({ deliveries, next }) => (
          <>
            {deliveries.length === 0 ? <Empty>Nothing was sent yet, and nothing waits.</Empty> : (
              <Table
                label="Deliveries" rows={deliveries} id={(d) => d.id} most={pageOf}
                columns={[
                  { name: "Event", show: (d) => <code>{d.type}</code> },
                  { name: "Made", show: (d) => <When ms={d.created} /> },
                  { name: "State", show: (d) => <State of={d} /> },
                  { name: "Attempts", right: true, show: (d) => d.attempts },
                  { name: "Last answer", right: true, show: (d) => d.status ?? (d.attempts > 0 ? <span className="warn">none came</span> : "–") },
                  { name: "Actions", bare: true, right: true, show: (d) => <span className="actions right"><button aria-label={`Details of ${d.messageId}`} onClick={() => setOpen({ what: "read", delivery: d })}>Details</button><button aria-label={`Send ${d.messageId} again`} disabled={w.disabled} onClick={() => setOpen({ what: "replay", delivery: d })}>Send again</button></span> },
                ]}
              />
            )}
            <CursorPages label="Deliveries" cursor={cursor} next={next === undefined ? undefined : String(next)} />
          </>
        )}
      </Show>
      {open?.what === "read" && <Details webhook={w.id} of={open.delivery} close={close} />}
      {open?.what === "replay" && <Replay webhook={w.id} of={open.delivery} close={close} />}
    </Card>
  );
}

function State({ of: d }: { of: Delivery }) {
  const [name, kind] = states[d.state];
  return <span><span className={`badge ${kind}`}>{name}</span>{d.state === "PENDING" && d.due !== undefined && <span className="quiet"> next <Until ms={d.due} /></span>}</span>;
}

/** Every attempt, and what is sent. */
function Details({ webhook, of: d, close }: { webhook: string; of: Delivery; close: () => void }) {
  const loaded = useLoad(`delivery ${d.id}`, () => answer(api.GET("/farebox/v1/webhooks/{webhookId}/deliveries/{deliveryId}", { params: { path: { webhookId: webhook, deliveryId: d.id } } })));
  return (
    <Dialog title={d.type} close={close}>
      <Show of={loaded}>
        {({ attempts, body }) => (
          <>
            <p className="quiet">Its <code>webhook-id</code> is <code>{d.messageId}</code> at every attempt.</p>
            {attempts.length === 0 ? <Empty>It was not tried yet.</Empty> : <ol className="attempts">{attempts.map((a) => <li key={a.time}><Time ms={a.time} />: <Came of={a} /></li>)}</ol>}
            <pre className="secret" tabIndex={0} aria-label="What is sent">{JSON.stringify(body, null, 2)}</pre>
          </>
        )}
      </Show>
    </Dialog>
  );
}

function Replay({ webhook, of: d, close }: { webhook: string; of: Delivery; close: () => void }) {
  return (
    <Confirm
      title="Send it again?" close={close} action="Send it again" body={{ replay: d.id }}
      make={async (key) => {
        await answer(api.POST("/farebox/v1/webhooks/{webhookId}/deliveries/{deliveryId}/replay", { params: { path: { webhookId: webhook, deliveryId: d.id }, header: { "Idempotency-Key": key } } }));
        return "It is sent again.";
      }}
    >
      <p>The event <code>{d.type}</code> of <Time ms={d.created} /> is sent with the same <code>webhook-id</code>, so that a receiver that has seen it can pass it over.</p>
    </Confirm>
  );
}
