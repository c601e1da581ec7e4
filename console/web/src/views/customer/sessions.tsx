import { answer, api } from "../../api/client";
import { useLoad } from "../../ui/data";
import { Number, short, Time } from "../../ui/format";
import { Card, Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";

export function Sessions({ instanceId }: { instanceId: string }) {
  const loaded = useLoad(`sessions ${instanceId}`, () => answer(api.GET("/farebox/v1/sessions", { params: { query: { instanceId, limit: 50 } } })), 5_000);
  return (
    <Card title="Open sessions">
      <Show of={loaded}>
        {({ sessions }) => sessions.length === 0 ? <Empty>No session is open.</Empty> : (
          <Table
            label="Open sessions" rows={sessions} id={(s) => s.sessionId}
            columns={[
              { name: "Requester", show: (s) => s.requester?.value ?? "–" },
              { name: "Items", show: (s) => s.items.map((i) => `${i.item} ${i.version} ×${short(i.count)}`).join(", ") || "idle" },
              { name: "Charged", right: true, by: (s) => s.tokensCharged, show: (s) => <Number value={s.tokensCharged} /> },
              { name: "Next charge", by: (s) => s.chargedUntil ?? 0, show: (s) => s.chargedUntil ? <Time ms={s.chargedUntil} /> : "–" },
            ]}
          />
        )}
      </Show>
    </Card>
  );
}
