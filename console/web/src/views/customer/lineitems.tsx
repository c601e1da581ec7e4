import { answer, api, type Schemas } from "../../api/client";
import { useLoad } from "../../ui/data";
import { Number, short, Time } from "../../ui/format";
import { Card, Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";
import { RunsOut } from "../customers";

export function LineItems({ instanceId }: { instanceId: string }) {
  const params = { path: { instanceId } };
  const loaded = useLoad(`line items ${instanceId}`, async () => {
    const [balance, forecast] = await Promise.all([
      answer(api.GET("/farebox/v1/instances/{instanceId}/balance", { params })),
      answer(api.GET("/farebox/v1/instances/{instanceId}/forecast", { params })),
    ]);
    return balance.lineItems.map((l) => ({ ...l, forecast: forecast.lineItems.find((f) => f.activationId === l.activationId), tooLittleHistory: forecast.tooLittleHistory }));
  }, 5_000);
  return (
    <Card title="Line items" aside={<span className="quiet">in the order in which they are drawn</span>}>
      <Show of={loaded}>
        {(rows) => rows.length === 0 ? <Empty>Nothing was bought yet.</Empty> : (
          <Table
            label="Line items" rows={rows} id={(l) => l.activationId}
            columns={[
              { name: "Line item", show: (l) => <>{l.activationId} {!l.usable && <span className="badge">{l.state === "DEPLOYED" ? "not usable now" : l.state.toLowerCase()}</span>}</> },
              { name: "Tokens left", right: true, by: (l) => l.balance, show: (l) => <Number value={l.balance} /> },
              { name: "Left", show: (l) => <Left of={l} /> },
              { name: "Overdraft used", right: true, by: (l) => l.overdraftUsed, show: (l) => l.overdraftUsed > 0 ? <span className="warn"><Number value={l.overdraftUsed} /></span> : "–" },
              { name: "Runs out", show: (l) => l.forecast || l.tooLittleHistory ? <RunsOut of={{ ...(l.forecast?.runsOut ? { runsOut: l.forecast.runsOut } : {}), ...(l.tooLittleHistory ? { tooLittleHistory: l.tooLittleHistory } : {}) }} /> : "–" },
              { name: "Ends", by: (l) => l.end, show: (l) => <Time ms={l.end} only="day" /> },
            ]}
          />
        )}
      </Show>
    </Card>
  );
}

function Left({ of }: { of: Schemas["LineItemBalance"] }) {
  return <meter min={0} max={Math.max(of.quantity, 1)} value={Math.max(of.balance, 0)} aria-label={`${short(of.balance)} of ${short(of.quantity)} tokens left`} />;
}
