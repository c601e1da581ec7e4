import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { reload, useLoad } from "../../ui/data";
import { Number, Time } from "../../ui/format";
import { Card, Failed, Show } from "../../ui/states";

type Proof = Schemas["Proof"];

const lookMS = 1_000; // while a check is under way

/** Rebuilds every balance from the record when asked, and says what came of it. */
export function Verify() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const loaded = useLoad("proof", () => answer(api.GET("/farebox/v1/verify")), lookMS);
  const running = loaded.state === "ready" && loaded.data.state === "RUNNING";
  const begin = async () => {
    setBusy(true);
    try {
      await answer(api.POST("/farebox/v1/verify"));
      setError(null);
      reload();
    } catch (e) {
      setError(e as Error);
    }
    setBusy(false);
  };
  return (
    <Card title="Do the books agree?" aside={<button onClick={() => void begin()} disabled={busy || running}>{running ? "Checking…" : "Verify now"}</button>}>
      {error && <Failed error={error} />}
      <div aria-live="polite"><Show of={loaded}>{(p) => <Outcome of={p} />}</Show></div>
    </Card>
  );
}

function Outcome({ of: p }: { of: Proof }) {
  if (p.state === "NONE") return <p className="quiet">Rebuilds every balance from the record and compares. Nothing was checked since this server started; charges go on meanwhile.</p>;
  const took = Math.max(0, (p.ended ?? Date.now()) - (p.started ?? 0));
  if (p.state === "RUNNING") return <><progress aria-label="Checking" /><p>Rebuilding all balances from the record, for {seconds(took)} so far. Charges go on meanwhile.</p></>;
  if (p.state === "BROKEN_OFF") return <p className="failed" role="alert">The check was broken off after {seconds(took)}: {p.reason}. Nothing is known of the balances; verify again.</p>;
  const differences = p.differences ?? [];
  const count = differences.length + (p.more ?? 0);
  return (
    <>
      <p className="verdict"><span className={`badge ${p.state === "AGREES" ? "good" : "bad"}`}>{p.state === "AGREES" ? "All balances agree" : `${count} ${count === 1 ? "thing differs" : "things differ"}`}</span> <span className="quiet">{p.ended !== undefined && <Time ms={p.ended} />}, in {seconds(took)}</span></p>
      {differences.length > 0 && <ul className="differences" tabIndex={0} aria-label="What differs">{differences.map((d) => <li key={d}>{d}</li>)}{(p.more ?? 0) > 0 && <li className="quiet">and <Number value={p.more ?? 0} /> more</li>}</ul>}
      {differences.length > 0 && <p className="warn">Somebody or something changed the database past Farebox, or Farebox has a fault. Keep a copy of the database as it is, and run <code>farebox verify</code>.</p>}
      <dl className="facts">
        <Fact name="Line items" value={p.lineItems} /><Fact name="Sessions" value={p.sessions} /><Fact name="Holds" value={p.holds} /><Fact name="Leases" value={p.leases} />
        <Fact name="Receipts read" value={p.receipts} /><Fact name="Usage events" value={p.events} /><Fact name="Tokens used" value={p.used} />
      </dl>
    </>
  );
}

const Fact = ({ name, value }: { name: string; value: number | undefined }) => <div><dt>{name}</dt><dd><Number value={value ?? 0} /></dd></div>;

/** A length of time as people say it. */
export function seconds(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} minutes` : `${Math.round(ms / 3_600_000)} hours`;
}
