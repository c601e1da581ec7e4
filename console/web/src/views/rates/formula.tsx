import { useEffect, useId, useRef, useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { numberOf } from "../../api/exact";
import { usePaused } from "../../ui/data";
import { full } from "../../ui/format";
import "./formula.css";

type Value = Schemas["FormulaValue"];

/** A formula with values to try: what it comes to is said while one types, and where it is wrong is underlined. */
export function FormulaEditor({ value, change, told }: { value: string; change: (formula: string) => void; told?: (value: Value | null) => void }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const mirror = useRef<HTMLDivElement>(null);
  const id = useId();
  const [values, setValues] = useState<Record<string, string>>({});
  const [names, setNames] = useState<readonly string[]>([]);
  const [result, setResult] = useState<{ of: string; value: Value | Error } | null>(null);
  const asked = usePaused(JSON.stringify([value, values]));
  useEffect(() => {
    const ended = new AbortController();
    const [formula, tried] = JSON.parse(asked) as [string, Record<string, string>];
    const show = (got: Value | Error) => {
      if (ended.signal.aborted) return;
      setResult({ of: formula, value: got });
      told?.(got instanceof Error ? null : got);
    };
    if (formula.trim() === "") return setResult(null), told?.(null);
    evaluate(formula, tried, ended.signal).then((got) => (show(got), got.error?.kind !== "SYNTAX" && !ended.signal.aborted && setNames(got.variables)), (error: Error) => show(error));
    return () => ended.abort();
  }, [asked]);
  const current = result && result.of === value ? result.value : null;
  const wrong = current instanceof Error ? undefined : current?.error;
  const goThere = () => {
    const at = offsetOf(value, wrong?.at ?? 1);
    field.current?.focus();
    field.current?.setSelectionRange(at, at + markedFrom(value, at).length);
  };
  return (
    <div className="formulaeditor">
      <label htmlFor={id}>Formula</label>
      <div className="written">
        <div ref={mirror} className="mirror" aria-hidden>{wrong?.at ? <Marked text={value} at={offsetOf(value, wrong.at)} /> : value}</div>
        <textarea
          ref={field} id={id} name="formula" rows={3} spellCheck={false} maxLength={4096} value={value} aria-invalid={wrong?.kind === "SYNTAX" || undefined} aria-describedby={`${id}result`}
          onChange={(e) => change(e.target.value)} onScroll={(e) => mirror.current?.scrollTo(0, e.currentTarget.scrollTop)}
        />
      </div>
      {names.length > 0 && (
        <fieldset className="variables">
          <legend>Values to try</legend>
          {names.map((name) => <label key={name}><code>{name}</code><input inputMode="decimal" autoComplete="off" value={values[name] ?? "1"} onChange={(e) => setValues({ ...values, [name]: e.target.value })} /></label>)}
        </fieldset>
      )}
      <div id={`${id}result`} className="result" aria-live="polite">
        {value.trim() === "" ? <p className="quiet">Such as <code>price * quantity</code>, or <code>FLOOR.MATH(quantity / 1000) * 2.5</code>. Names become variables, which requests tell.</p>
          : current instanceof Error ? <p className="wrong">{current.message}</p>
            : wrong ? <p className="wrong">{inWords(wrong)}</p>
              : current?.value !== undefined ? <p>comes to <strong className="number">{full(current.value)}</strong> tokens{current.value < 0 && <span className="warn">; a charge would be denied for a negative rate</span>}</p>
                : <p className="quiet">Calculating…</p>}
      </div>
      {wrong?.at !== undefined && <button type="button" className="there" onClick={goThere}>Go to character {wrong.at}</button>}
    </div>
  );
}

function evaluate(formula: string, tried: Record<string, string>, signal: AbortSignal): Promise<Value> {
  const ask = (variables: Record<string, number>) => answer(api.POST("/farebox/v1/formulas/evaluate", { body: { formula, variables }, signal }));
  const given = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, numberOf(tried[name] ?? "1")] as const).filter(([, n]) => !Number.isNaN(Number(n))));
  // Its variables are known once it was read; those that nobody told are 1.
  return ask(given(Object.keys(tried))).then((first) => (first.variables.some((name) => tried[name] === undefined) ? ask(given(first.variables)) : first));
}

/** What is wrong; the spot, which the message shows too, is underlined. */
const inWords = ({ message, at }: Schemas["FormulaError"]) => (at === undefined ? message : `${message.replace(/ \(character \d+: .*\)$/s, "")}, at character ${at}.`);

/** Where the nth character begins, counted as the server counts them. */
const offsetOf = (text: string, nth: number) => Array.from(text).slice(0, nth - 1).join("").length;

/** What is underlined of a formula from a place on: a name, a number, or a sign. */
const markedFrom = (text: string, at: number) => /^(?:[\p{L}_][\p{L}\d_.]*|[\d.]+|\S)/u.exec(text.slice(at))?.[0] ?? "";

function Marked({ text, at }: { text: string; at: number }) {
  const marked = markedFrom(text, at);
  return <>{text.slice(0, at)}<mark>{marked || "\u00a0\u00a0"}</mark>{text.slice(at + marked.length)}</>;
}
