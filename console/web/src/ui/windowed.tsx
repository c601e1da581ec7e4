import { type ReactNode, useRef, useState } from "react";
import "./windowed.css";

const rowHeight = 36; // pixels, as windowed.css has it
const shown = 12;

/** A list of very many rows, of which only those that can be seen are in the page. `columns` names the cells, which `show` gives. */
export function Windowed<T>({ label, rows, columns, show, id }: { label: string; rows: readonly T[]; columns: readonly string[]; show: (row: T) => ReactNode[]; id: (row: T) => string }) {
  const [top, setTop] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const first = Math.max(0, Math.min(Math.floor(top / rowHeight) - 4, rows.length - shown));
  const some = rows.slice(first, first + shown + 8);
  return (
    <div ref={box} className="windowed" role="region" aria-label={label} tabIndex={0} onScroll={(e) => setTop(e.currentTarget.scrollTop)}>
      <table aria-rowcount={rows.length + 1}>
        <thead><tr aria-rowindex={1}>{columns.map((c) => <th key={c} scope="col">{c}</th>)}</tr></thead>
        <tbody>
          {first > 0 && <tr aria-hidden><td colSpan={columns.length} style={{ height: first * rowHeight, padding: 0 }} /></tr>}
          {some.map((row, i) => <tr key={id(row)} aria-rowindex={first + i + 2}>{show(row).map((cell, c) => <td key={columns[c]}><div>{cell}</div></td>)}</tr>)}
          {first + some.length < rows.length && <tr aria-hidden><td colSpan={columns.length} style={{ height: (rows.length - first - some.length) * rowHeight, padding: 0 }} /></tr>}
        </tbody>
      </table>
    </div>
  );
}
