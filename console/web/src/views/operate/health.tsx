import { answer, api, type Schemas } from "../../api/client";
import { useLoad } from "../../ui/data";
import { Time } from "../../ui/format";
import { Card, Show } from "../../ui/states";
import { seconds } from "./proof";

type State = Schemas["ServiceState"];

const lookMS = 5_000;
const lateMS = 60_000; // a few seconds behind is usual

/** What the followers of the record are for. */
const purposes: Record<string, string> = { fold: "Usage and reports", alerts: "Alerts and webhooks", "top-ups": "Automatic top-ups" };

const stores: Record<NonNullable<State["store"]>, string> = { sqlite: "SQLite", postgres: "PostgreSQL" };

/** Whether the server takes requests, and how far behind those are who follow the record. */
export function Health() {
  const loaded = useLoad("service", () => answer(api.GET("/farebox/v1/service")), lookMS);
  return <Card title="This server" aside={loaded.state === "ready" ? <span className={`badge ${loaded.data.ready ? "good" : "bad"}`}>{loaded.data.ready ? "takes requests" : "takes none"}</span> : undefined}><Show of={loaded}>{(s) => <Facts of={s} />}</Show></Card>;
}

function Facts({ of: s }: { of: State }) {
  return (
    <>
      {!s.ready && <p className="failed" role="alert">It takes no requests: {s.reason ?? "no reason is given"}.</p>}
      <dl className="facts">
        <div><dt>Its time</dt><dd><Time ms={s.time} only="second" /></dd></div>
        {s.started !== undefined && <div><dt>Runs since</dt><dd><Time ms={s.started} /></dd></div>}
        {s.version && <div><dt>Version</dt><dd>{s.version}</dd></div>}
        <div><dt>Live streams</dt><dd>{s.streams}</dd></div>
        {s.followers.map((f) => <div key={f.name}><dt>{purposes[f.name] ?? <code>{f.name}</code>}</dt><dd><Lag of={f} now={s.time} /></dd></div>)}
        {s.store && <div className="whole"><dt>Database</dt><dd>{stores[s.store]}{s.database && <> <code>{s.database}</code></>}</dd></div>}
      </dl>
    </>
  );
}

function Lag({ of: f, now }: { of: Schemas["Follower"]; now: number }) {
  if (f.since === undefined) return <>up to date</>;
  const behind = Math.max(0, now - f.since);
  return <span className={behind > lateMS ? "warn" : ""}>{seconds(behind)} behind</span>;
}
