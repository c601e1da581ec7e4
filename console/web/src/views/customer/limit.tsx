import { type FormEvent, useState } from "react";
import { answer, api, Refused, type Schemas } from "../../api/client";
import { numberOf } from "../../api/exact";
import { useMake } from "../../ui/confirm";
import { useLoad } from "../../ui/data";
import { Entry, localTime, timeOf } from "../../ui/form";
import { Number, Time } from "../../ui/format";
import { CursorPages, useCursor } from "../../ui/pages";
import { Failed, Show } from "../../ui/states";
import { Table } from "../../ui/table";

const path = "/dynamicmonetization/api/v1.1/instances/{instanceId}/line-items/{lineItemId}/consumption-limit" as const;
const periods = ["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"] as const;
type State = Schemas["ConsumptionLimitState"] | null;
type Of = { instanceId: string; lineItemId: string };

/** How much every single requester may consume of a line item in a period, and who has consumed how much. */
export function Limit(of: Of) {
  const cursor = useCursor(of.lineItemId);
  const loaded = useLoad(`limit ${of.instanceId} ${of.lineItemId} ${cursor.at}`, async (): Promise<State> => {
    const { data, response, error } = await api.GET(path, { params: { path: of, query: { size: 20, ...(cursor.at ? { next: cursor.at } : {}) } } });
    return response.status === 404 ? null : await answer(Promise.resolve({ ...(data ? { data } : {}), error, response })); // without a limit there is nothing to find
  });
  return (
    <section>
      <h3>Consumption limit</h3>
      <Show of={loaded}>
        {(now) => (
          <>
            <p className="quiet">{now ? <>Every requester may consume so much in a period; the next begins <Time ms={now.nextReset} />.</> : "There is no limit: a requester may consume all that the rules give."}</p>
            <Edit key={JSON.stringify(now && [String(now.limit), now.period, now.nextReset])} of={of} now={now} />
            {now && now.consumed.length > 0 && (
              <>
                <Table
                  label="Consumed in this period" rows={now.consumed} id={(c) => `${c.requester.type} ${c.requester.value}`}
                  columns={[
                    { name: "Requester", show: (c) => <>{c.requester.value} <span className="quiet">{c.requester.type}</span></> },
                    { name: "Consumed", right: true, by: (c) => c.consumed, show: (c) => <Number value={c.consumed} /> },
                    { name: "Since", show: (c) => <Time ms={c.since} /> },
                  ]}
                />
                <CursorPages label="what was consumed" cursor={cursor} next={now.next} />
              </>
            )}
          </>
        )}
      </Show>
    </section>
  );
}

function Edit({ of, now }: { of: Of; now: State }) {
  const [limit, setLimit] = useState(now ? String(now.limit) : "");
  const [period, setPeriod] = useState<(typeof periods)[number]>(now?.period ?? "MONTH");
  const [reset, setReset] = useState(() => localTime(now?.nextReset ?? new Date().setHours(24, 0, 0, 0)));
  const body = { limit: numberOf(limit), period, nextReset: timeOf(reset) };
  const set = useMake({ body: [limit, period, reset], make: async (key) => {
    if (isNaN(body.limit as number)) throw new Refused("limit", "Write a number, such as 1000 or 0.5.");
    if (isNaN(body.nextReset)) throw new Refused("nextReset", "Choose a day and a time.");
    await answer(api.PUT(path, { params: { path: of, header: { "Idempotency-Key": key } }, body }));
    return `The consumption limit of ${of.lineItemId} is set.`;
  } }, () => undefined);
  const drop = useMake({ body: "delete", make: async (key) => {
    await answer(api.DELETE(path, { params: { path: of, header: { "Idempotency-Key": key } } }));
    return `${of.lineItemId} has no consumption limit any more.`;
  } }, () => undefined);
  const error = set.error ?? drop.error;
  const wrong = (field: string) => (error instanceof Refused && error.field === field ? { wrong: error.detail } : {});
  const submit = (e: FormEvent) => {
    e.preventDefault();
    drop.forget();
    void set.go();
  };
  return (
    <form onSubmit={submit}>
      <div className="entries">
        <Entry label="Tokens a requester" {...wrong("limit")}>{(p) => <input {...p} inputMode="decimal" autoComplete="off" value={limit} onChange={(e) => setLimit(e.target.value)} />}</Entry>
        <Entry label="In every" {...wrong("period")}>{(p) => <select {...p} value={period} onChange={(e) => setPeriod(e.target.value as typeof period)}>{periods.map((x) => <option key={x} value={x}>{x.toLowerCase()}</option>)}</select>}</Entry>
        <Entry label="A period begins" {...wrong("nextReset")}>{(p) => <input {...p} type="datetime-local" value={reset} onChange={(e) => setReset(e.target.value)} />}</Entry>
      </div>
      {error && !(error instanceof Refused && ["limit", "period", "nextReset"].includes(error.field)) && <Failed error={error} />}
      <div className="actions">
        <button className="primary" disabled={set.busy || drop.busy || limit.trim() === ""}>{now ? "Change limit" : "Set limit"}</button>
        {now && <button type="button" disabled={set.busy || drop.busy} onClick={() => (set.forget(), void drop.go())}>Remove limit</button>}
      </div>
    </form>
  );
}
