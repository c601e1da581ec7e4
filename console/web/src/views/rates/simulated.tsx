import { useState } from "react";
import type { Schemas } from "../../api/client";
import { minus, plus } from "../../api/decimal";
import { Number, short, Time } from "../../ui/format";
import { Choice, Empty } from "../../ui/states";
import { Table } from "../../ui/table";

type Payer = { account: string; old: number; next: number; charges: number; refused: number };

/** What each account would have paid. */
function payersOf(s: Schemas["Simulation"]): Payer[] {
  const payers = new Map<string, Payer>();
  for (const i of s.items) {
    const p = payers.get(i.accountId) ?? { account: i.accountId, old: 0, next: 0, charges: 0, refused: 0 };
    payers.set(i.accountId, { ...p, old: plus(p.old, i.oldTokens), next: plus(p.next, i.newTokens), charges: p.charges + i.charges, refused: p.refused + i.refused });
  }
  return [...payers.values()].sort((a, b) => Math.abs(b.next - b.old) - Math.abs(a.next - a.old));
}

const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" });
const share = (old: number, next: number) => (old > 0 ? percent.format((next - old) / old) : "–");
const Difference = ({ old, next }: { old: number; next: number }) => <>{next > old && "+"}<Number value={minus(next, old)} /></>;

const views = ["Everybody", "Pays more", "Pays less", "Is refused", "By item"] as const;

/** What a draft would have cost: who pays more, who less, who is refused. */
export function Simulated({ of, old }: { of: Schemas["Simulation"]; old: boolean }) {
  const [view, setView] = useState<(typeof views)[number]>("Everybody");
  const all = payersOf(of);
  const shown = { "Everybody": all, "Pays more": all.filter((p) => p.next > p.old), "Pays less": all.filter((p) => p.next < p.old), "Is refused": all.filter((p) => p.refused > 0), "By item": [] }[view];
  const count = (some: (p: Payer) => boolean) => short(all.filter(some).length);
  return (
    <div className="sections simulated">
      <div role="status">
        {old && <p className="warn">The draft has changed since; simulate it again.</p>}
        <p className="quiet">From <Time ms={of.from} /> to <Time ms={of.to} />, {short(of.charges)} charges</p>
      </div>
      <dl className="outcome">
        <div><dt>Would have charged</dt><dd><strong><Number value={of.newTokens} /></strong> <span className="quiet">instead of <Number value={of.oldTokens} />, {share(of.oldTokens, of.newTokens)}</span></dd></div>
        <div><dt>Pay more</dt><dd><strong>{count((p) => p.next > p.old)}</strong> <span className="quiet">of {short(all.length)} accounts</span></dd></div>
        <div><dt>Pay less</dt><dd><strong>{count((p) => p.next < p.old)}</strong> <span className="quiet">of {short(all.length)} accounts</span></dd></div>
        <div><dt>Refused</dt><dd><strong className={of.refused > 0 ? "warn" : ""}><Number value={of.refused} /></strong> <span className="quiet">of {short(of.charges)} charges</span></dd></div>
      </dl>
      {of.refused > 0 && <p className="quiet">What is refused is not paid, so it makes its account pay less.</p>}
      {of.notPriced.length > 0 && <p className="warn">Used, and not priced by the draft: {of.notPriced.map((i) => i.item + (i.version && ` ${i.version}`)).join(", ")}.</p>}
      <Choice label="Whom it concerns" of={views} chosen={view} choose={setView} />
      {view === "By item" ? <ByItem of={of} /> : shown.length === 0 ? <Empty>{all.length === 0 ? "Nothing was used in this time." : "Nobody."}</Empty> : (
        <Table
          label="Who pays more, and who less" rows={shown} id={(r) => r.account} most={15}
          columns={[
            { name: "Account", by: (r) => r.account, show: (r) => r.account },
            { name: "Was", right: true, by: (r) => r.old, show: (r) => <Number value={r.old} /> },
            { name: "Would be", right: true, by: (r) => r.next, show: (r) => <Number value={r.next} /> },
            { name: "Difference", right: true, by: (r) => r.next - r.old, show: (r) => <Difference {...r} /> },
            { name: "Percent", right: true, by: (r) => (r.old > 0 ? (r.next - r.old) / r.old : 0), show: (r) => share(r.old, r.next) },
            { name: "Refused", right: true, by: (r) => r.refused, show: (r) => (r.refused > 0 ? <span className="warn"><Number value={r.refused} /> of {short(r.charges)}</span> : "–") },
          ]}
        />
      )}
      {of.notes.length > 0 && <div className="quiet"><p>What the record does not tell:</p><ul className="slices">{of.notes.map((n) => <li key={n}>{n}</li>)}</ul></div>}
    </div>
  );
}

function ByItem({ of }: { of: Schemas["Simulation"] }) {
  const items = new Map<string, Schemas["SimulatedItem"]>();
  for (const i of of.items) {
    const key = JSON.stringify([i.item, i.version]);
    const sum = items.get(key);
    items.set(key, sum ? { ...sum, oldTokens: plus(sum.oldTokens, i.oldTokens), newTokens: plus(sum.newTokens, i.newTokens), charges: sum.charges + i.charges, refused: sum.refused + i.refused } : i);
  }
  if (items.size === 0) return <Empty>Nothing was used in this time.</Empty>;
  return (
    <Table
      label="By item" rows={[...items.values()]} id={(r) => JSON.stringify([r.item, r.version])} most={15}
      columns={[
        { name: "Item", by: (r) => r.item, show: (r) => `${r.item} ${r.version}` },
        { name: "Was", right: true, by: (r) => r.oldTokens, show: (r) => <Number value={r.oldTokens} /> },
        { name: "Would be", right: true, by: (r) => r.newTokens, show: (r) => <Number value={r.newTokens} /> },
        { name: "Difference", right: true, by: (r) => r.newTokens - r.oldTokens, show: (r) => <Difference old={r.oldTokens} next={r.newTokens} /> },
        { name: "Refused", right: true, by: (r) => r.refused, show: (r) => (r.refused > 0 ? <span className="warn" title={r.refusedStatus?.description}><Number value={r.refused} /> of {short(r.charges)}</span> : "–") },
      ]}
    />
  );
}
