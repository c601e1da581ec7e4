import { answer, api } from "../../api/client";
import { useLoad } from "../../ui/data";
import { Number, Until, When } from "../../ui/format";
import { Items } from "../../ui/items";
import { CursorPages, useCursor } from "../../ui/pages";
import { Card, Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";

const aPage = 20;

/** The sessions that have not ended, newest first, and when each is charged next. */
export function Sessions({ instanceId }: { instanceId: string }) {
  const cursor = useCursor(instanceId);
  const loaded = useLoad(`sessions ${instanceId} ${cursor.at}`, () => answer(api.GET("/farebox/v1/sessions", { params: { query: { instanceId, limit: aPage, ...(cursor.at ? { cursor: cursor.at } : {}) } } })), 5_000);
  return (
    <Card title="Open sessions">
      <Show of={loaded}>
        {({ sessions, next }) => (
          <>
            {sessions.length === 0 ? <Empty>{cursor.first ? "No session is open." : "There are no more open sessions."}</Empty> : (
              <Table
                label="Open sessions" rows={sessions} id={(s) => s.sessionId}
                columns={[
                  { name: "Requester", by: (s) => s.requester?.value ?? "", show: (s) => s.requester?.value ?? "–" },
                  { name: "Items", show: (s) => s.items.length > 0 ? <Items of={s.items} /> : <span className="quiet">idle, nothing is charged</span> },
                  { name: "Since", by: (s) => s.created, show: (s) => <When ms={s.created} /> },
                  { name: "Charged", right: true, by: (s) => s.tokensCharged, show: (s) => <Number value={s.tokensCharged} /> },
                  { name: "Next charge", by: (s) => s.chargedUntil ?? Infinity, show: (s) => (s.chargedUntil ? <Until ms={s.chargedUntil} /> : "–") },
                  { name: "Heartbeat due", by: (s) => s.heartbeatDue ?? Infinity, show: (s) => (s.heartbeatDue ? <Until ms={s.heartbeatDue} /> : "–") },
                ]}
              />
            )}
            <CursorPages label="open sessions" cursor={cursor} next={next} />
          </>
        )}
      </Show>
    </Card>
  );
}
