import { type ReactNode, useState } from "react";

export type Column<T> = { name: string; show: (row: T) => ReactNode; by?: (row: T) => number | string; right?: boolean; bare?: boolean; wide?: boolean };

/**
 * A table that is sorted by its heads, and cut into pages of `most` rows when it is long. `by` of a column is what it is sorted by; a `bare` one speaks for itself. Where there is no
 * room, a row is a block: what the first column says is its title, the others stand below with their names, a `wide` one with more room; what it is sorted by is chosen above.
 */
export function Table<T>({ label, rows, columns, id, most = 50 }: { label: string; rows: readonly T[]; columns: readonly Column<T>[]; id: (row: T) => string; most?: number }) {
  const [sort, setSort] = useState<{ column: number; down: boolean } | null>(null);
  const [page, setPage] = useState(0);
  const by = sort ? columns[sort.column]?.by : undefined;
  const sorted = by ? rows.toSorted((a, b) => ((x, y) => (x < y ? -1 : x > y ? 1 : 0) * (sort?.down ? -1 : 1))(by(a), by(b))) : rows;
  const pages = Math.max(1, Math.ceil(rows.length / most));
  const at = Math.min(page, pages - 1);
  const sortable = columns.map((c, i) => ({ name: c.name, i, by: c.by })).filter((c) => c.by);
  return (
    <>
      {sortable.length > 0 && rows.length > 1 && (
        <div className="sorting">
          <label>Sorted by <select value={sort?.column ?? ""} onChange={(e) => setSort(e.target.value === "" ? null : { column: parseInt(e.target.value), down: sort?.down ?? false })}><option value="">the usual order</option>{sortable.map((c) => <option key={c.i} value={c.i}>{c.name}</option>)}</select></label>
          {sort && <button type="button" onClick={() => setSort({ ...sort, down: !sort.down })}>{sort.down ? "descending ↓" : "ascending ↑"}</button>}
        </div>
      )}
      <div className="scroll" role="region" aria-label={label} tabIndex={0}>
        <table className="blocks">
          <thead>
            <tr>
              {columns.map((c, i) => (
                <th key={c.name} scope="col" className={c.right ? "right" : ""} aria-sort={sort?.column === i ? (sort.down ? "descending" : "ascending") : undefined}>
                  {c.bare ? <span className="hidden">{c.name}</span> : c.by ? <button className="sort" onClick={() => setSort({ column: i, down: sort?.column === i && !sort.down })}>{c.name}<span aria-hidden>{sort?.column === i ? (sort.down ? " ↓" : " ↑") : ""}</span></button> : c.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sorted.slice(at * most, (at + 1) * most).map((row) => <tr key={id(row)}>{columns.map((c) => <Cell key={c.name} of={c} row={row} />)}</tr>)}
          </tbody>
        </table>
      </div>
      {pages > 1 && (
        <nav className="pages" aria-label={`Pages of ${label}`}>
          <button disabled={at === 0} onClick={() => setPage(at - 1)}>Previous</button>
          <span>{at + 1} of {pages}</span>
          <button disabled={at === pages - 1} onClick={() => setPage(at + 1)}>Next</button>
        </nav>
      )}
    </>
  );
}

function Cell<T>({ of: c, row }: { of: Column<T>; row: T }) {
  const shown = c.show(row);
  const kinds = [c.right && "right", c.bare && "bare", c.wide && "wide", shown === "–" && "nothing"].filter((k) => k).join(" ");
  return <td data-label={c.bare ? undefined : c.name} className={kinds || undefined} title={typeof shown === "string" && shown !== "–" ? shown : undefined}>{shown}</td>;
}
