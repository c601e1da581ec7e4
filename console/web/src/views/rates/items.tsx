import { useState } from "react";
import { useLoad, usePaused } from "../../ui/data";
import { Dialog } from "../../ui/dialog";
import { short } from "../../ui/format";
import { useQuery } from "../../ui/query";
import { Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";
import { FormulaEditor } from "./formula";
import { type Item, keyOf, nameOf, page, pageSize, priceOf, termsOf, type Version } from "./item";

/** The items of a version, searched and paged by the server; the address has the search and the page. */
export function Items({ of }: { of: Version }) {
  const [query, change] = useQuery();
  const [trying, tryOut] = useState<Item | null>(null);
  const text = query.get("q") ?? "";
  const search = usePaused(text);
  const offset = Math.max(0, Math.floor(Number(query.get("from")) || 0));
  const loaded = useLoad(`items ${of.series} ${of.version} ${of.created} ${offset} ${search}`, () => page(of.series, of.version, { limit: pageSize, offset, ...(search ? { search } : {}) }));
  return (
    <div className="sections">
      <div className="finder">
        <input type="search" aria-label="Search items" placeholder="Name or version" value={text} onChange={(e) => change({ q: e.target.value, from: "" })} />
        {loaded.state === "ready" && <span className="quiet" role="status">{search ? `${short(loaded.data.total)} of ${short(of.items)} items` : `${short(of.items)} items`}</span>}
      </div>
      <Show of={loaded}>
        {({ items, total }) => items.length === 0 ? <Empty>{search ? `No item has “${search}” in its name or version.` : "There are no more items."}</Empty> : (
          <>
            <Table
              label="Items" rows={items} id={keyOf} most={pageSize}
              columns={[
                { name: "Item", show: (i) => <span className="cut" title={i.name}>{i.name}</span> },
                { name: "Version", show: (i) => i.version || "–" },
                { name: "Rate or formula", show: (i) => (i.formula ? <button className="formula" title={i.formula} aria-label={`Try the formula of ${nameOf(i)}`} onClick={() => tryOut(i)}><code>{i.formula}</code></button> : <span className="number">{priceOf(i)}</span>) },
                { name: "Terms", show: (i) => termsOf(i) || "–" },
              ]}
            />
            <Pages offset={offset} total={total} of="items" to={(from) => change({ from: from === 0 ? "" : String(from) })} />
          </>
        )}
      </Show>
      {trying && <Try of={trying} close={() => tryOut(null)} />}
    </div>
  );
}

/** Pages of what the server lists. */
export function Pages({ offset, total, of, to, size = pageSize }: { offset: number; total: number; of: string; to: (offset: number) => void; size?: number }) {
  if (total <= size && offset === 0) return null;
  return (
    <nav className="pages" aria-label={`Pages of ${of}`}>
      <button disabled={offset === 0} onClick={() => to(Math.max(0, offset - size))}>Previous</button>
      <span>{short(Math.min(offset + 1, total))}–{short(Math.min(offset + size, total))} of {short(total)}</span>
      <button disabled={offset + size >= total} onClick={() => to(offset + size)}>Next</button>
    </nav>
  );
}

/** What the formula of an item comes to, with values to try; nothing is kept. */
function Try({ of, close }: { of: Item; close: () => void }) {
  const [formula, setFormula] = useState(of.formula ?? "");
  return (
    <Dialog title={`Formula of ${nameOf(of)}`} close={close}>
      <FormulaEditor value={formula} change={setFormula} />
      <p className="quiet">To try things out: nothing of it is kept. A draft changes a formula for good.</p>
    </Dialog>
  );
}
