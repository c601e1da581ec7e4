import { answer, api, type Schemas } from "../api/client";
import { Link } from "../router";
import { useLoad, usePaused } from "../ui/data";
import { dayOfUTC, daysInWords, Number, short } from "../ui/format";
import { useQuery } from "../ui/query";
import { Choice, Empty, Show } from "../ui/states";
import { Table } from "../ui/table";
import type { ViewProps } from "./index";
import { CustomersMoves } from "./moves/actions";

type Standing = Schemas["InstanceOverview"];

const pageSize = 25;
const orders = { "Lasts shortest": "daysLeft", "Least left": "left", "Uses most": "pace", "Name": "name" } as const;
type Order = keyof typeof orders;

function standings(query: { sort: (typeof orders)[Order]; search?: string; limit: number; offset?: number }) {
  return answer(api.GET("/farebox/v1/instances", { params: { query: { forecast: true, ...query } } }));
}

/** All instances that the token may see, with what is left, page by page; the address has the page. */
export function Customers({ who }: ViewProps) {
  const [query, change] = useQuery();
  const sort = (Object.keys(orders) as Order[]).find((o) => orders[o] === query.get("sort")) ?? "Lasts shortest";
  const text = query.get("search") ?? "";
  const search = usePaused(text);
  const offset = Math.max(0, Math.floor(globalThis.Number(query.get("from")) || 0));
  const loaded = useLoad(`standings ${sort} ${offset} ${search}`, () => standings({ sort: orders[sort], limit: pageSize, offset, ...(search ? { search } : {}) }), 15_000);
  return (
    <>
      <div className="titled"><h1>Customers</h1><CustomersMoves /></div>
      <div className="finder">
        <input type="search" aria-label="Search customers" placeholder="Account, name or id" value={text} onChange={(e) => change({ search: e.target.value, from: "" })} />
        <Choice label="Order" of={Object.keys(orders) as Order[]} chosen={sort} choose={(o) => change({ sort: orders[o], from: "" })} />
      </div>
      <section className="card">
        <Show of={loaded}>
          {({ instances, total }) => (
            <>
              {instances.length > 0 ? <Standings rows={instances} />
                : <Empty>{search ? `No customer has “${search}” in its account, name or id.` : total > 0 ? "There are no more customers." : who.role === "vendor" ? "There is no customer yet. New customer makes the first." : "Your token is for no instance that is here."}</Empty>}
              {(total > pageSize || offset > 0) && (
                <nav className="pages" aria-label="Pages of customers">
                  <button disabled={offset === 0} onClick={() => change({ from: offset > pageSize ? String(offset - pageSize) : "" })}>Previous</button>
                  <span>{short(Math.min(offset + 1, total))}–{short(Math.min(offset + pageSize, total))} of {short(total)}</span>
                  <button disabled={offset + pageSize >= total} onClick={() => change({ from: String(offset + pageSize) })}>Next</button>
                </nav>
              )}
            </>
          )}
        </Show>
      </section>
    </>
  );
}

/** Those that last shortest. */
export function First({ most }: { most: number }) {
  const loaded = useLoad(`first ${most}`, () => standings({ sort: "daysLeft", limit: most }), 15_000);
  return (
    <Show of={loaded}>
      {({ instances, total }) => instances.length === 0 ? <Empty>There is no customer yet. The view Customers makes the first.</Empty> : (
        <>
          <Standings rows={instances} />
          {total > instances.length && <p className="more"><Link to="/customers">All {short(total)} customers</Link></p>}
        </>
      )}
    </Show>
  );
}

function Standings({ rows }: { rows: readonly Standing[] }) {
  return (
    <Table
      label="Customers" rows={rows} id={(r) => r.instanceId}
      columns={[
        { name: "Account", show: (r) => <><Link to={`/customers/${encodeURIComponent(r.instanceId)}`}>{r.accountId}</Link> <small>{r.shortName}</small></> },
        { name: "Left", right: true, show: (r) => <Number value={r.balance} /> },
        { name: "Tokens a day", right: true, show: (r) => <span title="over the last 7 whole days"><Number value={r.tokensPerDay} /></span> },
        { name: "Lasts", right: true, show: (r) => r.balance > 0 && r.daysLeft !== undefined ? <span title="what is left, at that pace">{daysInWords(r.daysLeft)}</span> : "–" },
        { name: "Runs out", show: (r) => <RunsOut of={r} /> },
        { name: "Overdraft used", right: true, show: (r) => r.overdraftUsed > 0 ? <span className="warn"><Number value={r.overdraftUsed} /></span> : "–" },
      ]}
    />
  );
}

function RunsOut({ of }: { of: Standing }) {
  if (of.balance <= 0) return <span className="quiet">has run out</span>;
  if (of.tooLittle) return <span className="quiet" title={of.tooLittle}>too early to tell</span>;
  if (!of.runsOut) return <span className="quiet">not within 400 days</span>;
  const { likely, earliest, latest } = of.runsOut;
  const day = likely ?? earliest;
  const ends = of.nextEnd !== undefined && new Date(of.nextEnd).toISOString().startsWith(day);
  return <><time dateTime={day} title={`8 of 10 futures: ${earliest} to ${latest ?? "later than 400 days from now"}; days are those of UTC`}>{dayOfUTC(day)}</time>{ends && <small> as it ends</small>}</>;
}
