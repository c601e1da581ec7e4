import { answer, api, type Schemas } from "../api/client";
import type { ViewProps } from "./index";
import { Link } from "../router";
import { mapSome, useLoad } from "../ui/data";
import { Number, Time } from "../ui/format";
import { Empty, Show } from "../ui/states";
import { Table } from "../ui/table";
import { useState } from "react";

type Standing = { instance: Schemas["Instance"]; balance: Schemas["Balance"]; forecast: Schemas["Forecast"] };

const pageSize = 50;

async function standing(instance: Schemas["Instance"]): Promise<Standing> {
  const params = { path: { instanceId: instance.id } };
  const [balance, forecast] = await Promise.all([
    answer(api.GET("/farebox/v1/instances/{instanceId}/balance", { params })),
    answer(api.GET("/farebox/v1/instances/{instanceId}/forecast", { params })),
  ]);
  return { instance, balance, forecast };
}

export function Customers({ who }: ViewProps) {
  return <><h1>Customers</h1><Standings {...(who.role === "customer" ? { only: who.instances } : {})} /></>;
}

/** Instances with what is left, page by page as the API has them; or only some. */
export function Standings({ only }: { only?: string[] }) {
  const [from, setFrom] = useState([0]);
  const next = from.at(-1) ?? 0;
  const loaded = useLoad(`standings ${only?.join() ?? ""} ${next}`, async () => {
    const page = only
      ? { content: await mapSome(only, 4, (instanceId) => answer(api.GET("/dynamicmonetization/provisioning/api/v1.1/instances/{instanceId}", { params: { path: { instanceId } } }))), next: 0 }
      : await answer(api.GET("/dynamicmonetization/provisioning/api/v1.1/instances", { params: { query: { next, size: pageSize } } }));
    return { rows: await mapSome(page.content, 4, standing), next: page.next };
  }, 15_000);
  return (
    <Show of={loaded}>
      {({ rows, next: following }) => (
        <>
          {rows.length === 0 ? <Empty>There is no customer yet. The API creates instances and line items.</Empty> : (
            <Table
              label="Customers" rows={rows} id={(r) => r.instance.id}
              columns={[
                { name: "Account", by: (r) => r.instance.accountId, show: (r) => <Link to={`/customers/${encodeURIComponent(r.instance.id)}`}>{r.instance.accountId}</Link> },
                { name: "Left", right: true, by: (r) => r.balance.total.balance, show: (r) => <Number value={r.balance.total.balance} /> },
                { name: "Runs out", by: (r) => r.forecast.runsOut?.earliest ?? "9", show: (r) => <RunsOut of={r.forecast} /> },
                { name: "Tokens a day", right: true, by: (r) => r.forecast.pace.last7Days, show: (r) => <Number value={r.forecast.pace.last7Days} /> },
                { name: "Overdraft used", right: true, by: (r) => r.balance.total.overdraftUsed, show: (r) => r.balance.total.overdraftUsed > 0 ? <span className="warn"><Number value={r.balance.total.overdraftUsed} /></span> : "–" },
                { name: "Instance", by: (r) => r.instance.shortName, show: (r) => r.instance.shortName },
              ]}
            />
          )}
          {(from.length > 1 || following > 0) && (
            <nav className="pages" aria-label="Pages of customers">
              <button disabled={from.length === 1} onClick={() => setFrom(from.slice(0, -1))}>Previous</button>
              <button disabled={following === 0} onClick={() => setFrom([...from, following])}>Next</button>
            </nav>
          )}
        </>
      )}
    </Show>
  );
}

export function RunsOut({ of }: { of: Pick<Schemas["Forecast"], "runsOut" | "tooLittleHistory"> }) {
  if (of.tooLittleHistory) return <span className="quiet" title={of.tooLittleHistory}>too early to tell</span>;
  if (!of.runsOut) return <span className="quiet">not within 400 days</span>;
  const { likely, earliest, latest } = of.runsOut;
  return <span title={`8 of 10 futures: ${earliest} to ${latest ?? "later than 400 days from now"}`}><Time ms={Date.parse(`${likely ?? earliest}T12:00:00`)} only="day" /></span>;
}
