import { answer, api } from "../api/client";
import { useLoad } from "../ui/data";
import { Dialog } from "../ui/dialog";
import { Number, short, Time } from "../ui/format";
import { Show } from "../ui/states";
import { ReceiptActions } from "./moves/refund";

/** All that one request did: who paid how much at which rate of which table, and what was given back since. */
export function Receipt({ correlationId, close }: { correlationId: string; close: () => void }) {
  const loaded = useLoad(`receipt ${correlationId}`, () => answer(api.GET("/farebox/v1/receipts/{correlationId}", { params: { path: { correlationId } } })));
  return (
    <Dialog title="Receipt" close={close}>
      <Show of={loaded}>
        {(r) => (
          <>
            <p><Time ms={r.time} /> · {r.requester && `${r.requester.value} · `}<Number value={r.tokens} /> tokens{r.refunded > 0 && <>, <Number value={r.refunded} /> refunded</>}</p>
            <p className="quiet"><code>{r.correlationId}</code></p>
            {[...r.items, ...(r.refunds ?? [])].map((i, n) => (
              <section key={n}>
                <p><strong>{i.item || "Adjustment"} {i.version}</strong> ×{short(i.count)}: <Number value={i.tokens} /> tokens</p>
                {i.status && <p className="quiet">{i.status.description}</p>}
                {i.formula && <p className="quiet">Price by <code>{i.formula}</code></p>}
                <ul className="slices">
                  {i.lineItems.map((l) => (
                    <li key={l.activationId}>
                      {l.activationId}: <Number value={l.tokens} /> at <Number value={l.rate} />
                      {l.rateTableVersion !== undefined && <span className="quiet"> of {l.rateTableSeries} {l.rateTableVersion}</span>}
                      {l.overdraft !== undefined && <span className="warn">, <Number value={l.overdraft} /> of it overdraft</span>}
                    </li>
                  ))}
                </ul>
              </section>
            ))}
            <ReceiptActions receipt={r} />
            {(r.refundedBy ?? []).map((b) => <p key={b.correlationId} className="quiet">Refunded <Time ms={b.time} />{b.reason && `: ${b.reason}`}</p>)}
          </>
        )}
      </Show>
    </Dialog>
  );
}
