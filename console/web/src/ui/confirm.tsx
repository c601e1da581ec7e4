import { type ReactNode, useState } from "react";
import { useKeys } from "../api/once";
import { reload } from "./data";
import { Dialog } from "./dialog";
import { full } from "./format";
import { Failed } from "./states";
import { toast } from "./toast";
import "./confirm.css";

/** What is to change: a number, or what is shown of anything else, before and after. */
export type Change = { what: string; before: number | ReactNode; after: number | ReactNode };

/** Changes of one thing, under its name. */
export type ChangesOf = { of: string; changes: readonly Change[] };

const shown = (value: number | ReactNode) => (typeof value === "number" || value instanceof Number ? <span className="number">{full(value as number)}</span> : value);
const same = (c: Change) => String(c.before) === String(c.after) && typeof c.before !== "object";

/** A table of what is, and what will be. What stays is there, quietly. */
export function Changes({ all }: { all: readonly ChangesOf[] }) {
  return (
    <div className="changes">
      {all.map((one) => (
        <table key={one.of}>
          <caption>{one.of}</caption>
          <thead><tr><td /><th scope="col">Before</th><th scope="col"><span className="hidden">becomes</span></th><th scope="col">After</th></tr></thead>
          <tbody>
            {one.changes.map((c) => (
              <tr key={c.what} className={same(c) ? "same" : ""}>
                <th scope="row">{c.what}</th><td>{shown(c.before)}</td><td aria-hidden>→</td><td>{same(c) ? <span>{shown(c.after)}</span> : <strong>{shown(c.after)}</strong>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </div>
  );
}

/** What a confirmation needs: what it shows, how it is called, and what is done, with a key that makes it be done once. It returns what was done, in words. */
export type Confirmed = { action: string; danger?: boolean; make: (key: string) => Promise<string>; body: unknown };

/** Asks whether to do something that was shown before and after, and does it once; then all that is shown is loaded anew, and a toast says what was done. */
export function Confirm({ title, close, done, children, ...what }: Confirmed & { title: string; close: () => void; done?: () => void; children: ReactNode }) {
  const { busy, error, go } = useMake(what, () => (done?.(), close()));
  return (
    <Dialog title={title} close={close} own>
      {children}
      {error && <Failed error={error} />}
      <div className="actions confirm">
        <button className={what.danger ? "danger" : "primary"} disabled={busy} onClick={() => void go()}>{error ? "Try again" : what.action}</button>
        <button disabled={busy} onClick={close}>Not now</button>
      </div>
    </Dialog>
  );
}

/** Does something once: while it is on its way it cannot be begun again, and another try after it failed has the same key. */
export function useMake({ make, body }: Pick<Confirmed, "make" | "body">, done: () => void) {
  const keyOf = useKeys();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const go = async (): Promise<Error | null> => {
    setBusy(true);
    try {
      toast(await make(keyOf(body)));
      reload();
      done();
      return null;
    } catch (e) {
      setError(e as Error);
      return e as Error;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, go, forget: () => setError(null) };
}
