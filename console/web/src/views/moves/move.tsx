import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { Refused } from "../../api/client";
import { numberOf } from "../../api/exact";
import { Changes, type ChangesOf, useMake } from "../../ui/confirm";
import { Dialog } from "../../ui/dialog";
import "./moves.css";
import { Failed } from "../../ui/states";

/** What was asked for, and what it comes to: to be confirmed. */
export type Prepared<B> = { body: B; changes: ChangesOf[]; note?: ReactNode; action: string };

/** What is wrong with a field, as a property of its entry. */
export type Wrong = (field: string) => { wrong?: string };

type Parts<B> = {
  title: string;
  close: () => void;
  /** Reads the form, and how things stand now. It throws Refused of what cannot be read. */
  prepare: (said: FormData) => Promise<Prepared<B>>;
  /** Does it, and says what was done. */
  make: (body: B, key: string) => Promise<string>;
  /** The fields, named as the API names them, so that what the server says of one is shown there. */
  children: (wrong: Wrong) => ReactNode;
};

/** A change in two steps: what is to be is asked for, then shown before and after; only then it is made, once. */
export function Move<B>({ title, close, prepare, make, children }: Parts<B>) {
  const form = useRef<HTMLFormElement>(null);
  const summary = useRef<HTMLDivElement>(null);
  const [prepared, setPrepared] = useState<Prepared<B> | null>(null);
  const [preparing, setPreparing] = useState(false);
  const [refused, setRefused] = useState<Error | null>(null);
  const { busy, error, go, forget } = useMake({ body: prepared?.body, make: (key) => (prepared ? make(prepared.body, key) : Promise.reject(new Error("Nothing was asked for."))) }, close);
  const named = (of: Error | null) => (of instanceof Refused ? [of, ...of.more].filter((r) => r.field !== "" && form.current?.elements.namedItem(r.field) !== null) : []);
  const wrong: Wrong = (field) => ((found) => (found ? { wrong: found.detail } : {}))(named(refused).find((r) => r.field === field));
  const ask = async (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    setPreparing(true);
    setRefused(null);
    try {
      setPrepared(await prepare(new FormData(e.currentTarget)));
    } catch (why) {
      setRefused(why as Error);
    }
    setPreparing(false);
  };
  const confirm = async () => {
    const why = await go();
    if (why && named(why).length > 0) (setRefused(why), setPrepared(null), forget()); // where it can be put right
  };
  useEffect(() => summary.current?.focus(), [prepared]);
  useEffect(() => {
    const first = form.current?.querySelector<HTMLElement>("[aria-invalid]");
    const hidden = first?.closest("details");
    if (hidden) hidden.open = true;
    first?.focus();
  }, [refused]);
  return (
    <Dialog title={title} close={close} own>
      <form ref={form} className="ask" hidden={prepared !== null} onSubmit={(e) => void ask(e)}>
        {children(wrong)}
        {refused && named(refused).length === 0 && <Failed error={refused} />}
        <div className="actions confirm">
          <button className="primary" disabled={preparing}>Review</button>
          <button type="button" onClick={close}>Cancel</button>
        </div>
      </form>
      {prepared && (
        <div ref={summary} className="review" tabIndex={-1} role="group" aria-label="Before and after">
          <Changes all={prepared.changes} />
          {prepared.note}
          {error && <Failed error={error} />}
          <div className="actions confirm">
            <button className="primary" disabled={busy} onClick={() => void confirm()}>{error ? "Try again" : prepared.action}</button>
            <button disabled={busy} onClick={() => (setPrepared(null), forget())}>Back</button>
          </div>
        </div>
      )}
    </Dialog>
  );
}

// What a form says, by field. What cannot be read is refused as the server would.

export const textOf = (said: FormData, field: string) => String(said.get(field) ?? "").trim();

/** An amount, with a point before its fraction. */
export function amountOf(said: FormData, field: string): number {
  const n = numberOf(textOf(said, field));
  if (Number.isNaN(Number(n))) throw new Refused(field, "Write a number, such as 12.5.");
  return n;
}

export function wholeOf(said: FormData, field: string): number {
  const n = amountOf(said, field);
  if (!/^-?\d+$/.test(String(n))) throw new Refused(field, "Write a whole number, such as 1500.");
  return n;
}

/** The same of a field that may be empty. */
export const ifSaid = <T,>(said: FormData, field: string, read: (said: FormData, field: string) => T): T | undefined => (textOf(said, field) === "" ? undefined : read(said, field));

export function momentOf(said: FormData, field: string): number {
  const ms = new Date(textOf(said, field)).getTime();
  if (Number.isNaN(ms)) throw new Refused(field, "Choose a day and a time.");
  return ms;
}
