import { answer, api, Refused, type Schemas } from "../../api/client";
import { go } from "../../router";
import { Confirm } from "../../ui/confirm";
import { Entry } from "../../ui/form";
import { Move, textOf } from "../moves/move";

type Webhook = Schemas["Webhook"];
type Told = Schemas["NewWebhook"];
type Type = NonNullable<Told["types"]>[number];

const types: Record<Type, string> = { "alert.fired": "an alert fires", "alert.resolved": "an alert is over", "top_up.requested": "a line item is to be topped up" };
const header = (key: string) => ({ "Idempotency-Key": key });

const rows = (w: Told): [string, string][] => [
  ["Goes to", w.url], ["For people", w.description || "–"], ["Sent when", (w.types ?? []).length === 0 ? "anything happens" : (w.types ?? []).map((t) => types[t]).join("; ")], ["Sends", w.disabled ? "nothing: it is disabled" : "yes"],
];

/** Adds a webhook, or changes one. The secret of a new one is told to `made`. */
export function WebhookDialog({ webhook: w, close, made }: { webhook?: Webhook; close: () => void; made?: (secret: string) => void }) {
  return (
    <Move
      title={w ? "Change the webhook" : "Add a webhook"} close={close}
      prepare={async (said) => {
        const chosen = said.getAll("types").map(String) as Type[];
        if (chosen.length === 0) throw new Refused("types", "Choose at least one; to send nothing, disable the webhook.");
        const body: Told = { url: textOf(said, "url"), description: textOf(said, "description"), types: chosen.length === Object.keys(types).length ? [] : chosen, disabled: said.get("disabled") !== null };
        const was = w ? rows(w as Told) : [];
        const changes = rows(body).map(([what, after], i) => ({ what, before: was[i]?.[1] ?? "–", after })).filter((c) => c.before !== c.after);
        if (changes.length === 0) throw new Refused("", "Nothing is changed.");
        return { body, action: w ? "Change the webhook" : "Add the webhook", changes: [{ of: body.url, changes }], note: <p className="quiet">{w ? "Its secret stays." : "Its secret is shown once it is there."}</p> };
      }}
      make={async (body, key) => {
        if (w) {
          await answer(api.PUT("/farebox/v1/webhooks/{webhookId}", { params: { path: { webhookId: w.id }, header: header(key) }, body }));
          return "Changed the webhook.";
        }
        const created = await answer(api.POST("/farebox/v1/webhooks", { params: { header: header(key) }, body }));
        made?.(created.secret ?? "");
        return "Added the webhook.";
      }}
    >
      {(wrong) => (
        <div className="entries">
          <Entry label="Goes to" wide hint="https, at a public address." {...wrong("url")}>{(e) => <input {...e} name="url" type="url" maxLength={2048} autoComplete="off" spellCheck={false} required autoFocus defaultValue={w?.url ?? ""} placeholder="https://example.com/farebox" />}</Entry>
          <Entry label="For people" wide hint="What it is for." {...wrong("description")}>{(e) => <input {...e} name="description" maxLength={1000} autoComplete="off" defaultValue={w?.description ?? ""} />}</Entry>
          <fieldset className="ways whole">
            <legend>Sent when</legend>
            {(Object.keys(types) as Type[]).map((t) => <label key={t}><input type="checkbox" name="types" value={t} defaultChecked={!w || w.types.length === 0 || w.types.includes(t)} /> <span>{types[t]} <code className="quiet">{t}</code></span></label>)}
            {wrong("types").wrong && <p className="failed" role="alert">{wrong("types").wrong}</p>}
          </fieldset>
          <fieldset className="ways whole"><legend className="hidden">Pause</legend><label><input type="checkbox" name="disabled" defaultChecked={w?.disabled ?? false} /> <span>disabled: nothing new is sent</span></label></fieldset>
        </div>
      )}
    </Move>
  );
}

export function DeleteWebhook({ webhook: w, close }: { webhook: Webhook; close: () => void }) {
  return (
    <Confirm
      title="Delete the webhook?" close={close} done={() => go("/operate")} action="Delete the webhook" danger body={{ delete: w.id }}
      make={async (key) => {
        await answer(api.DELETE("/farebox/v1/webhooks/{webhookId}", { params: { path: { webhookId: w.id }, header: header(key) } }));
        return `Deleted the webhook to ${w.url}.`;
      }}
    >
      <p>Nothing more is sent to <code>{w.url}</code>. Its deliveries, with what still waits, are deleted with it; to pause it, disable it instead.</p>
    </Confirm>
  );
}

export function RotateWebhook({ webhook: w, close, made }: { webhook: Webhook; close: () => void; made: (secret: string) => void }) {
  return (
    <Confirm
      title="Make a new secret?" close={close} action="Make a new secret" body={{ rotate: w.id, modified: w.modified }}
      make={async (key) => {
        made((await answer(api.POST("/farebox/v1/webhooks/{webhookId}/rotate", { params: { path: { webhookId: w.id }, header: header(key) } }))).secret ?? "");
        return "Made a new secret. For a day the one before signs as well.";
      }}
    >
      <p>The new secret is shown once. For a day both it and the one before sign what is sent, so that the receiver can be changed in peace.</p>
    </Confirm>
  );
}
