import { type FormEvent, useDeferredValue, useMemo, useState } from "react";
import { short } from "../../ui/format";
import { Choice, Empty } from "../../ui/states";
import { toast } from "../../ui/toast";
import { type Draft, isChanged, matcher, put, remove, restore, type Row, rowsOf } from "./drafted";
import { type Item, nameOf, priceOf, termsOf } from "./item";
import { ItemDialog } from "./itemdialog";
import { Pages } from "./items";
import { isStep, priced } from "./typed";

const rowsShown = 20;

/** The items of a draft: found by a search, and changed one by one or all that are found. */
export function Editing({ draft, change }: { draft: Draft; change: (d: Draft) => void }) {
  const [text, setText] = useState("");
  const [which, setWhich] = useState<"All" | "Changed">("All");
  const [offset, setOffset] = useState(0);
  const [edited, edit] = useState<Item | "new" | null>(null);
  const search = useDeferredValue(text); // typing goes first
  const rows = useMemo(() => rowsOf(draft), [draft]);
  const found = useMemo(() => ((match) => rows.filter((r) => match(r.shown) && (which === "All" || isChanged(r))))(matcher(search)), [rows, search, which]);
  const at = Math.min(offset, Math.max(0, Math.floor((found.length - 1) / rowsShown) * rowsShown));
  const there = useMemo(() => new Set(rows.map((r) => r.key)), [rows]);
  return (
    <div className="sections">
      <div className="finder">
        <input type="search" aria-label="Search the draft" placeholder="Search; * stands for anything" value={text} onChange={(e) => (setText(e.target.value), setOffset(0))} />
        <div className="actions"><Choice label="Which items" of={["All", "Changed"]} chosen={which} choose={(w) => (setWhich(w), setOffset(0))} /><button type="button" onClick={() => edit("new")}>Add an item</button></div>
      </div>
      <Several found={found} apply={(items) => change(put(draft, items))} />
      {found.length === 0 ? <Empty>{search || which === "All" ? "No item is found so." : "Nothing is changed yet."}</Empty> : (
        <>
          <div className="scroll" role="region" aria-label="Items of the draft" tabIndex={0}>
            <table className="editing blocks">
              <thead><tr><th scope="col">Item</th><th scope="col" className="right">Was</th><th scope="col">Price</th><th scope="col">Terms</th><th scope="col"><span className="hidden">Actions</span></th></tr></thead>
              <tbody>
                {found.slice(at, at + rowsShown).map((r) => (
                  <One key={r.key} row={r} keep={(item) => change(put(draft, [item]))} edit={() => edit(r.shown)} remove={() => change(remove(draft, r.key))} restore={() => change(restore(draft, r.key))} />
                ))}
              </tbody>
            </table>
          </div>
          <Pages offset={at} total={found.length} of="the draft" to={setOffset} size={rowsShown} />
        </>
      )}
      {edited && <ItemDialog {...(edited === "new" ? {} : { item: edited })} taken={(key) => there.has(key)} save={(item) => change(put(draft, [item]))} close={() => edit(null)} />}
    </div>
  );
}

/** Changes the price of all that are found. */
function Several({ found, apply }: { found: readonly Row[]; apply: (items: Item[]) => void }) {
  const [text, setText] = useState("");
  const items = found.flatMap((r) => r.after ?? []);
  const first = items[0];
  const submit = (e: FormEvent) => {
    e.preventDefault();
    apply(items.map((i) => priced(i, text)));
    toast(`Changed ${items.length === 1 ? "the price of one item" : `the prices of ${short(items.length)} items`} in the draft by ${text.trim()}.`);
    setText("");
  };
  const usable = isStep(text) && first !== undefined;
  let would = "";
  let wrong = text.trim() === "" || isStep(text) ? "" : "Write a change, such as ×1.25, +25% or -10%.";
  if (usable) {
    try {
      for (const i of items) priced(i, text);
      would = `${nameOf(first)}: ${priceOf(first)} → ${priceOf(priced(first, text))}${items.length > 1 ? ", and so on" : ""}`;
    } catch (why) {
      wrong = (why as Error).message;
    }
  }
  return (
    <form className="several" onSubmit={submit}>
      <label htmlFor="several">Change {items.length === 1 ? "the one that is found" : `all ${short(items.length)} that are found`}</label>
      <input id="several" value={text} autoComplete="off" placeholder="+25% or ×1.25" onChange={(e) => setText(e.target.value)} aria-describedby="severalhint" aria-invalid={wrong !== "" || undefined} />
      <button disabled={!usable || wrong !== ""}>Apply</button>
      <span id="severalhint" className={wrong ? "wrong" : "quiet"} aria-live="polite">{wrong || would}</span>
    </form>
  );
}

type Parts = { row: Row; keep: (item: Item) => void; edit: () => void; remove: () => void; restore: () => void };

function One({ row, keep, edit, remove: take, restore: back }: Parts) {
  const { before, after, shown } = row;
  const name = nameOf(shown);
  return (
    <tr className={after ? (isChanged(row) ? "changed" : "") : "removed"}>
      <td data-label="Item"><span className="cut" title={name}>{shown.name}</span>{shown.version && <span className="quiet"> {shown.version}</span>} {!before && <span className="badge good">added</span>}{!after && <span className="badge bad">removed</span>}</td>
      <td data-label="Was" className="right">{before && before !== after ? <span className="cut" title={priceOf(before)}>{priceOf(before)}</span> : ""}</td>
      <td data-label="Price" className="wide">{!after ? "–" : after.formula ? <button type="button" className="formula" aria-label={`Edit the formula of ${name}`} onClick={edit}><code>{after.formula}</code></button> : <Rate key={priceOf(after)} item={after} keep={keep} />}</td>
      <td data-label="Terms" className={termsOf(shown) ? undefined : "nothing"}>{termsOf(shown) || "–"}</td>
      <td className="bare">
        <span className="actions right">
          {after && <button type="button" aria-label={`Edit ${name}`} onClick={edit}>Edit</button>}
          {after && !isChanged(row) && <button type="button" aria-label={`Remove ${name}`} onClick={take}>Remove</button>}
          {isChanged(row) && <button type="button" aria-label={`Undo ${name}`} onClick={before ? back : take}>Undo</button>}
        </span>
      </td>
    </tr>
  );
}

/** The rate of an item: typed, or changed by what is typed. Enter, or going on, keeps it; Escape leaves it as it was. */
function Rate({ item, keep }: { item: Item; keep: (item: Item) => void }) {
  const was = priceOf(item);
  const [text, setText] = useState(was);
  let next: Item | Error;
  try {
    next = priced(item, text);
  } catch (why) {
    next = why as Error;
  }
  const accept = () => {
    if (next instanceof Error) return;
    if (priceOf(next) === was) setText(was);
    else keep(next);
  };
  return (
    <span className="rate">
      <input
        aria-label={`Price of ${nameOf(item)}`} value={text} autoComplete="off" spellCheck={false} aria-invalid={next instanceof Error || undefined}
        onChange={(e) => setText(e.target.value)} onBlur={accept} onFocus={(e) => e.target.select()}
        onKeyDown={(e) => (e.key === "Enter" ? (e.preventDefault(), accept()) : e.key === "Escape" && setText(was))}
      />
      <span className={next instanceof Error ? "wrong" : "quiet"} aria-live="polite">{next instanceof Error ? next.message : isStep(text) ? `= ${priceOf(next)}` : ""}</span>
    </span>
  );
}

