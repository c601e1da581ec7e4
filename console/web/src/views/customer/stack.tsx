import { sumBy } from "../../api/decimal";
import { Number, short } from "../../ui/format";
import type { LineItem } from "./course";
import "./stack.css";

const most = 8;

/** What is left, in the order in which it is drawn: the first pays first, overdrafts after all balances. */
export function Stack({ lineItems }: { lineItems: readonly LineItem[] }) {
  const usable = lineItems.filter((l) => l.usable);
  const places = new Map(usable.map((l, i) => [l.activationId, i + 1]));
  const left = usable.filter((l) => l.balance > 0);
  const shown = left.slice(0, most);
  const rest = sumBy(left.slice(most), (l) => l.balance);
  const total = sumBy(left, (l) => l.balance);
  const over = usable.filter((l) => l.unlimitedOverdraft || (l.overdraftLeft ?? 0) > 0);
  const without = over.some((l) => l.unlimitedOverdraft);
  return (
    <div className="stack">
      <p><strong className="big"><Number value={total} /></strong> tokens left{over.length > 0 && <span className="quiet">, then {without ? "overdraft without end" : <><Number value={sumBy(over, (l) => l.overdraftLeft ?? 0)} /> of overdraft</>}</span>}</p>
      {left.length > 1 && (
        <div className="parts-left" aria-hidden>
          {shown.map((l, i) => (
            <i key={l.activationId} style={{ flexGrow: l.balance / total }} className={`series-${i % 7}`} title={`${places.get(l.activationId)}. ${l.activationId}: ${short(l.balance)} tokens left`} />
          ))}
          {rest > 0 && <i style={{ flexGrow: rest / total }} className="others" title={`${left.length - most} more: ${short(rest)} tokens left`} />}
        </div>
      )}
      {left.length > 1 && (
        <ol className="legend" aria-label="Order of drawing">
          {shown.map((l, i) => <li key={l.activationId}><i className={`dot series-${i % 7}`} aria-hidden />{places.get(l.activationId)}. {l.activationId} <span className="quiet"><Number value={l.balance} /></span></li>)}
          {rest > 0 && <li className="quiet">and {short(left.length - most)} more</li>}
        </ol>
      )}
    </div>
  );
}
