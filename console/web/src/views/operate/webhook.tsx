import { type ReactNode, useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { Link } from "../../router";
import { useLoad } from "../../ui/data";
import { Time } from "../../ui/format";
import { Card, Failed, Show } from "../../ui/states";
import type { ViewProps } from "../index";
import { Deliveries } from "./deliveries";
import { seconds } from "./proof";
import { DeleteWebhook, RotateWebhook, WebhookDialog } from "./webhook-moves";
import { Standing, WebhookSecret } from "./webhooks";
import "./operate.css";

type Webhook = Schemas["Webhook"];

/** One webhook: how it does, what it sent and is to send. */
export function WebhookPage({ params }: ViewProps) {
  const id = params["webhook"] ?? "";
  const loaded = useLoad(`webhook ${id}`, () => answer(api.GET("/farebox/v1/webhooks/{webhookId}", { params: { path: { webhookId: id } } })), 10_000);
  return (
    <>
      <div><p className="quiet"><Link to="/operate">Operate</Link></p><h1>Webhook</h1></div>
      <Show of={loaded}>{(w) => <><About of={w} /><Deliveries of={w} /></>}</Show>
    </>
  );
}

type Open = "change" | "rotate" | "delete" | null;

function About({ of: w }: { of: Webhook }) {
  const [open, setOpen] = useState<Open>(null);
  const [secret, setSecret] = useState("");
  const close = () => setOpen(null);
  return (
    <Card title="Where events go" aside={<Standing of={w} />}>
      <dl className="facts wide">
        <div><dt>Goes to</dt><dd><code>{w.url}</code></dd></div>
        {w.description && <div><dt>For people</dt><dd>{w.description}</dd></div>}
        <div><dt>Events</dt><dd>{w.types.length === 0 ? "all" : w.types.join(", ")}</dd></div>
        <div><dt>Added</dt><dd><Time ms={w.created} /></dd></div>
        {w.oldSecretUntil !== undefined && <div><dt>Secret before</dt><dd>signs too until <Time ms={w.oldSecretUntil} /></dd></div>}
      </dl>
      <Test of={w}>
        <button onClick={() => setOpen("change")}>Change</button>
        <button onClick={() => setOpen("rotate")}>New secret</button>
        <button onClick={() => setOpen("delete")}>Delete</button>
      </Test>
      {open === "change" && <WebhookDialog webhook={w} close={close} />}
      {open === "rotate" && <RotateWebhook webhook={w} close={close} made={setSecret} />}
      {open === "delete" && <DeleteWebhook webhook={w} close={close} />}
      {secret && open === null && <WebhookSecret text={secret} close={() => setSecret("")} />}
    </Card>
  );
}

/** Sends a test event, beside what else can be done, and shows what came back. */
function Test({ of: w, children }: { of: Webhook; children: ReactNode }) {
  const [busy, setBusy] = useState(false);
  const [came, setCame] = useState<Schemas["WebhookTest"] | Error | null>(null);
  const send = async () => {
    setBusy(true);
    setCame(await answer(api.POST("/farebox/v1/webhooks/{webhookId}/test", { params: { path: { webhookId: w.id } } })).catch((e: unknown) => e as Error));
    setBusy(false);
  };
  return (
    <div className="test">
      <div className="actions"><button disabled={busy} onClick={() => void send()}>{busy ? "Sending…" : "Send a test event"}</button>{children}</div>
      <div role="status">
        {came instanceof Error ? <Failed error={came} /> : came && <p><span className={`badge ${came.delivered ? "good" : "bad"}`}>{came.delivered ? "taken" : "not taken"}</span> <Came of={came.attempt} /></p>}
      </div>
    </div>
  );
}

/** What came of an attempt. */
export function Came({ of: a }: { of: Schemas["Attempt"] }) {
  return <>{a.status === 0 ? (a.error || "No answer came.") : `The receiver answered ${a.status}`} <span className="quiet">after {seconds(a.duration)}</span>{a.answer && <code className="answered">{a.answer}</code>}</>;
}
