import { useState } from "react";
import { answer, api, type Schemas } from "../api/client";
import { Link } from "../router";
import { useLoad } from "../ui/data";
import { Number, periodInWords } from "../ui/format";
import { Empty, Show } from "../ui/states";
import { Table } from "../ui/table";
import { DeletePack, PackDialog } from "./moves/pack";
import { overdraftOf } from "./moves/pack-terms";

type Pack = Schemas["Pack"];
type Open = { what: "new" } | { what: "change" | "delete"; pack: Pack } | null;

/** What is sold: packs are templates for line items. */
export function Packs() {
  const [open, setOpen] = useState<Open>(null);
  const loaded = useLoad("packs", async () => (await answer(api.GET("/farebox/v1/packs"))).packs);
  const close = () => setOpen(null);
  return (
    <>
      <div className="titled"><h1>Packs</h1><div className="actions"><button onClick={() => setOpen({ what: "new" })}>New pack</button></div></div>
      <section className="card">
        <Show of={loaded}>
          {(packs) => packs.length === 0 ? <Empty>There is no pack yet. A pack is what you sell: so many tokens, good for so long. <Link to="/customers">A customer's page</Link> sells it.</Empty> : (
            <Table
              label="Packs" rows={packs} id={(p) => p.name ?? ""}
              columns={[
                { name: "Pack", by: (p) => p.name ?? "", show: (p) => <strong>{p.name}</strong> },
                { name: "Tokens", right: true, by: (p) => p.quantity, show: (p) => <Number value={p.quantity} /> },
                { name: "Good for", show: (p) => (p.period ? periodInWords(p.period) : <span className="quiet">as the sale says</span>) },
                { name: "Overdraft", show: (p) => overdraftOf(p).replace("overdraft ", "") || "–" },
                { name: "Price of a token", right: true, show: (p) => (p.unitPrice === undefined ? "–" : <><Number value={p.unitPrice} /> {p.currency}</>) },
                { name: "Series", by: (p) => p.series ?? "", show: (p) => p.series || "–" },
                { name: "Actions", bare: true, right: true, show: (p) => <span className="actions right"><button aria-label={`Change ${p.name}`} onClick={() => setOpen({ what: "change", pack: p })}>Change</button><button aria-label={`Delete ${p.name}`} onClick={() => setOpen({ what: "delete", pack: p })}>Delete</button></span> },
              ]}
            />
          )}
        </Show>
      </section>
      {open?.what === "new" && <PackDialog close={close} />}
      {open?.what === "change" && <PackDialog pack={open.pack} close={close} />}
      {open?.what === "delete" && <DeletePack pack={open.pack} close={close} />}
    </>
  );
}
