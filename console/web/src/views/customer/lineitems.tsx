import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { plus } from "../../api/decimal";
import { useLoad } from "../../ui/data";
import { Number, short, Time } from "../../ui/format";
import { Card, Choice, Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";
import { LineItemActions } from "./actions";
import { Burndown, inWords } from "./burndown";
import { began, course, type Expected, type LineItem, queue } from "./course";
import { RunsOutRange } from "./runsout";
import { Stack } from "./stack";
import "./lineitems.css";

const chartsAPage = 6;
const lookBack = 365 * 86_400_000; // of what was used, which is drawn day by day

type Standing = { lineItems: LineItem[]; forecast: Schemas["Forecast"]; now: number };

/** What a customer bought: what is left of it, how it went, and how long it is likely to last. */
export function LineItems({ instanceId }: { instanceId: string }) {
  const params = { path: { instanceId } };
  const [form, setForm] = useState<"Charts" | "Table">("Charts");
  const [which, setWhich] = useState<"Usable" | "All">("Usable");
  const loaded = useLoad(`line items ${instanceId}`, async (): Promise<Standing> => {
    const [balance, forecast] = await Promise.all([
      answer(api.GET("/farebox/v1/instances/{instanceId}/balance", { params })),
      answer(api.GET("/farebox/v1/instances/{instanceId}/forecast", { params })),
    ]);
    return { lineItems: balance.lineItems, forecast, now: balance.time };
  }, 5_000);
  return (
    <Card title="Line items" aside={<div className="actions"><Choice label="Which" of={["Usable", "All"]} chosen={which} choose={setWhich} /><Choice label="Form" of={["Charts", "Table"]} chosen={form} choose={setForm} /></div>}>
      <Show of={loaded}>
        {(all) => {
          if (all.lineItems.length === 0) return <Empty>Nothing was bought yet.</Empty>;
          const shown = which === "All" ? all.lineItems : all.lineItems.filter((l) => l.usable);
          return (
            <>
              <Stack lineItems={all.lineItems} />
              {shown.length === 0 ? <Empty>No line item may be used now. <button className="sort narrow" onClick={() => setWhich("All")}>Show all {short(all.lineItems.length)}</button></Empty>
                : form === "Charts" ? <Charts of={all} shown={shown} instanceId={instanceId} /> : <AsTable of={all} shown={shown} instanceId={instanceId} />}
            </>
          );
        }}
      </Show>
    </Card>
  );
}

type Parts = { of: Standing; shown: LineItem[]; instanceId: string };

const forecastOf = (of: Standing, l: LineItem) => of.forecast.lineItems.find((f) => f.activationId === l.activationId);

function Charts({ of, shown, instanceId }: Parts) {
  const [page, setPage] = useState(0);
  const pages = Math.ceil(shown.length / chartsAPage);
  const at = Math.min(page, pages - 1);
  const some = shown.slice(at * chartsAPage, (at + 1) * chartsAPage);
  const after = queue(of.lineItems, of.forecast);
  const order = new Map(of.lineItems.filter((l) => l.usable).map((l, i) => [l.activationId, i + 1]));
  const from = Math.max(Math.min(...some.map(began), of.now), of.now - lookBack);
  // Days once hours would be too many; the newest are read again as the balances are.
  const interval = of.now - from > 4 * 86_400_000 ? "day" : "hour";
  const used = useLoad(`used ${instanceId} ${some.map((l) => l.activationId).join(" ")} ${interval}`, () => answer(api.GET("/farebox/v1/usage", {
    params: { query: { from: String(from), interval, groupBy: ["activationId"], instanceId: [instanceId], activationId: some.map((l) => l.activationId) } },
  })), 10_000);
  return (
    <>
      <Show of={used}>
        {({ rows }) => (
          <ul className="lineitems">
            {some.map((l) => (
              <li key={l.activationId}>
                <One l={l} place={order.get(l.activationId)} used={rows.filter((r) => r.by?.["activationId"] === l.activationId)} forecast={forecastOf(of, l)} tooLittle={of.forecast.tooLittleHistory} after={after.get(l.activationId) ?? null} now={of.now} />
                <LineItemActions instanceId={instanceId} lineItem={l} />
              </li>
            ))}
          </ul>
        )}
      </Show>
      {pages > 1 && (
        <nav className="pages" aria-label="Pages of charts">
          <button disabled={at === 0} onClick={() => setPage(at - 1)}>Previous</button>
          <span>{short(at * chartsAPage + 1)}–{short(at * chartsAPage + some.length)} of {short(shown.length)}</span>
          <button disabled={at === pages - 1} onClick={() => setPage(at + 1)}>Next</button>
        </nav>
      )}
    </>
  );
}

type OneParts = { l: LineItem; place: number | undefined; used: Schemas["UsageRow"][]; forecast: Schemas["LineItemForecast"] | undefined; tooLittle: string | undefined; after: Expected | null; now: number };

function One({ l, place, used, forecast, tooLittle, after, now }: OneParts) {
  const when = l.end - l.start > 3 * 86_400_000 ? { only: "day" as const } : {};
  const limit = l.overdraftLeft === undefined ? undefined : plus(l.overdraftLeft, l.overdraftUsed);
  return (
    <>
      <h3>{place !== undefined && <span className="place" title={`drawn as number ${place}`}>{place}</span>}{l.activationId} <Badges l={l} /></h3>
      <p className="left"><strong><Number value={l.balance} /></strong> <span className="quiet">of <Number value={l.quantity} /> left</span>
        {l.overdraftUsed > 0 && <span className="over"> · <Number value={l.overdraftUsed} />{limit !== undefined && <> of <Number value={limit} /></>} overdraft</span>}
        {(l.held ?? 0) > 0 && <span className="quiet"> · <Number value={l.held ?? 0} /> held</span>}
      </p>
      <Burndown of={course(l, used, forecast, after, now)} label={inWords(l.activationId, l.balance, l.quantity, l.overdraftUsed)} limit={limit} />
      <dl>
        {l.usable && (l.balance <= 0 ? <div><dt>Has run out</dt></div> : <div><dt>Runs out</dt><dd><RunsOutRange of={forecast?.runsOut} tooLittle={tooLittle} /></dd></div>)}
        <div><dt>{l.start > now ? "Starts" : "Started"}</dt><dd><Time ms={l.start} {...when} /></dd></div>
        {l.nextReset !== undefined && <div><dt>Anew</dt><dd><Time ms={l.nextReset} only="day" /></dd></div>}
        <div><dt>{l.end <= now ? "Ended" : "Ends"}</dt><dd><Time ms={l.end} {...when} /></dd></div>
      </dl>
    </>
  );
}

function Badges({ l }: { l: LineItem }) {
  return (
    <>
      {l.kind === "FREE" && <span className="badge good">free</span>} {l.resetFrequency && <span className="badge">every {l.resetFrequency.toLowerCase()}</span>}{" "}
      {!l.usable && <span className="badge">{l.state === "DEPLOYED" ? "not usable now" : l.state.toLowerCase()}</span>}
    </>
  );
}

function AsTable({ of, shown, instanceId }: Parts) {
  const byId = new Map(of.forecast.lineItems.map((f) => [f.activationId, f]));
  return (
    <Table
      label="Line items" rows={shown} id={(l) => l.activationId}
      columns={[
        { name: "Line item", by: (l) => l.activationId, show: (l) => <>{l.activationId} <Badges l={l} /></> },
        { name: "Tokens left", right: true, by: (l) => l.balance, show: (l) => <Number value={l.balance} /> },
        { name: "Of", right: true, by: (l) => l.quantity, show: (l) => <Number value={l.quantity} /> },
        { name: "Left", show: (l) => <meter min={0} max={Math.max(l.quantity, 1)} value={Math.max(l.balance, 0)} aria-label={`${short(l.balance)} of ${short(l.quantity)} tokens left`} /> },
        { name: "Overdraft used", right: true, by: (l) => l.overdraftUsed, show: (l) => (l.overdraftUsed > 0 ? <span className="over"><Number value={l.overdraftUsed} /></span> : "–") },
        { name: "Runs out", show: (l) => (!l.usable ? "–" : l.balance <= 0 ? <span className="quiet">has run out</span> : <RunsOutRange of={byId.get(l.activationId)?.runsOut} tooLittle={of.forecast.tooLittleHistory} />) },
        { name: "Ends", by: (l) => l.end, show: (l) => <Time ms={l.end} only="day" /> },
        { name: "Actions", bare: true, show: (l) => <LineItemActions instanceId={instanceId} lineItem={l} /> },
      ]}
    />
  );
}
