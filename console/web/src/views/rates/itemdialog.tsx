import { type FormEvent, useRef, useState } from "react";
import { Refused, type Schemas } from "../../api/client";
import { digits } from "../../api/decimal";
import { numberOf } from "../../api/exact";
import { Dialog } from "../../ui/dialog";
import { Entry } from "../../ui/form";
import { FormulaEditor } from "./formula";
import { type Item, keyOf, nameOf } from "./item";
import { priced } from "./typed";

/** Edits an item of a draft, or makes one: its price, by a rate or a formula, and its terms. */
export function ItemDialog({ item, taken, save, close }: { item?: Item; taken: (key: string) => boolean; save: (item: Item) => void; close: () => void }) {
  const form = useRef<HTMLFormElement>(null);
  const [by, setBy] = useState<"rate" | "formula">(item?.formula ? "formula" : "rate");
  const [formula, setFormula] = useState(item?.formula ?? "");
  const [evaluated, setEvaluated] = useState<Schemas["FormulaValue"] | null>(null);
  const [refused, refuse] = useState<Refused | null>(null);
  const wrong = (field: string) => (refused?.field === field ? { wrong: refused.detail } : {});
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    try {
      const made = read(new FormData(e.currentTarget), item, by, formula);
      if (!item && taken(keyOf(made))) throw new Refused("name", "The table has an item of this name and version.");
      if (by === "formula" && evaluated?.error?.kind === "SYNTAX") throw new Refused("formula", "The formula cannot be read; above is said why.");
      save(made);
      close();
    } catch (why) {
      refuse(why as Refused);
    }
  };
  return (
    <Dialog title={item ? nameOf(item) : "New item"} close={close} own>
      <form ref={form} className="ask" onSubmit={submit}>
        <div className="entries">
          {!item && <Entry label="Item" hint="What applications ask for." {...wrong("name")}>{(p) => <input {...p} name="name" maxLength={256} autoComplete="off" required autoFocus />}</Entry>}
          {!item && <Entry label="Version of the item" hint="Empty: of requests without one." {...wrong("version")}>{(p) => <input {...p} name="version" maxLength={256} autoComplete="off" />}</Entry>}
        </div>
        <fieldset className="ways">
          <legend>Its price is</legend>
          <label><input type="radio" name="by" checked={by === "rate"} onChange={() => setBy("rate")} /> a rate <span className="quiet">always the same</span></label>
          <label><input type="radio" name="by" checked={by === "formula"} onChange={() => setBy("formula")} /> a formula <span className="quiet">of what the request tells</span></label>
        </fieldset>
        {by === "rate" ? (
          <Entry label="Tokens for one" hint={item?.rate !== undefined ? `Was ${digits(item.rate)}. A change works, too: ×1.25, +25%, -10%.` : "Such as 12.5."} {...wrong("rate")}>
            {(p) => <input {...p} name="rate" inputMode="text" autoComplete="off" required defaultValue={item?.rate === undefined ? "" : digits(item.rate)} />}
          </Entry>
        ) : <FormulaEditor value={formula} change={setFormula} told={setEvaluated} />}
        {refused?.field === "formula" && <p className="warn" role="alert">{refused.detail}</p>}
        <details open={Boolean(item?.freeSeconds || item?.window || item?.cost !== undefined)}>
          <summary>Terms: free seconds, window, cost</summary>
          <div className="entries">
            <Entry label="Free seconds" hint="A shorter session costs nothing." {...wrong("freeSeconds")}>{(p) => <input {...p} name="freeSeconds" inputMode="numeric" autoComplete="off" defaultValue={item?.freeSeconds ? String(item.freeSeconds) : ""} />}</Entry>
            <Entry label="Window" hint="One charge covers so long, such as P1D or PT8H." {...wrong("window")}>{(p) => <input {...p} name="window" autoComplete="off" defaultValue={item?.window ?? ""} />}</Entry>
            <Entry label="Cost" hint="What one costs you; no customer sees it." {...wrong("cost")}>{(p) => <input {...p} name="cost" inputMode="decimal" autoComplete="off" defaultValue={item?.cost === undefined ? "" : digits(item.cost)} />}</Entry>
          </div>
        </details>
        <div className="actions confirm">
          <button className="primary">{item ? "Keep in the draft" : "Add to the draft"}</button>
          <button type="button" onClick={close}>Cancel</button>
        </div>
      </form>
    </Dialog>
  );
}

function read(said: FormData, item: Item | undefined, by: "rate" | "formula", formula: string): Item {
  const text = (field: string) => String(said.get(field) ?? "").trim();
  const number = (field: string, whole: boolean) => {
    const n = text(field) === "" ? undefined : numberOf(text(field));
    if (n !== undefined && (Number.isNaN(Number(n)) || n < 0 || (whole && !/^\d+$/.test(String(n))))) throw new Refused(field, whole ? "Write a whole number, 0 or more." : "Write a number, 0 or more.");
    return n;
  };
  const [seconds, cost, window] = [number("freeSeconds", true) ?? 0, number("cost", false), text("window")];
  if (!/^(P[0-9WDTHMS]+)?$/.test(window)) throw new Refused("window", "Write a duration, such as P1D for a day or PT8H for eight hours.");
  if (seconds > 0 && window !== "") throw new Refused("window", "What a charge covers cannot be given back: leave out the free seconds or the window.");
  const terms: Item = {
    name: item?.name ?? text("name"), version: item ? (item.version ?? "") : text("version"), formula: "", freeSeconds: seconds, window, ...(cost === undefined ? {} : { cost }),
  };
  if (by === "formula") {
    if (formula.trim() === "") throw new Refused("formula", "Write a formula.");
    return { ...terms, formula: formula.trim() };
  }
  try {
    return priced({ ...terms, ...(item?.rate === undefined ? {} : { rate: item.rate }) }, text("rate"));
  } catch (why) {
    throw new Refused("rate", (why as Error).message);
  }
}
