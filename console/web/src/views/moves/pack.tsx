import { useState } from "react";
import { answer, api, Refused, type Schemas } from "../../api/client";
import { Confirm } from "../../ui/confirm";
import { Entry } from "../../ui/form";
import { full, periodInWords } from "../../ui/format";
import { amountOf, ifSaid, Move, textOf, wholeOf, type Wrong } from "./move";
import { overdraftOf } from "./pack-terms";
import { SeriesEntry } from "./series";

type Pack = Schemas["Pack"];
type Told = Omit<Pack, "created" | "modified">;

const none: Told = { name: "", quantity: 0, priority: 0, kind: "PAID", series: "", overdraftType: "NONE" };

/** Makes a pack, or changes one; what was sold of it stays as it is. */
export function PackDialog({ pack, close }: { pack?: Pack; close: () => void }) {
  return (
    <Move
      title={pack ? `Change ${pack.name}` : "New pack"} close={close}
      prepare={async (said) => {
        const body = read(said, pack?.name);
        const [was, is] = [pack ? rows(pack) : [], rows(body)];
        const changes = is.map(([what, after], i) => ({ what, before: pack ? was[i]?.[1] || "–" : "–", after: after || "–" })).filter((c) => c.before !== c.after);
        if (changes.length === 0) throw new Refused("", "Nothing is changed.");
        return { body, action: pack ? "Change the pack" : "Make the pack", changes: [{ of: body.name ?? "", changes }], ...(pack ? { note: <p className="quiet">What was sold of it stays as it is.</p> } : {}) };
      }}
      make={async (body, key) => {
        const header = { "Idempotency-Key": key };
        if (!pack) await answer(api.POST("/farebox/v1/packs", { params: { header }, body }));
        else await answer(api.PUT("/farebox/v1/packs/{name}", { params: { path: { name: pack.name ?? "" }, header }, body }));
        return pack ? `Changed the pack ${body.name}.` : `Made the pack ${body.name}. It is sold on a customer's page.`;
      }}
    >
      {(wrong) => <Fields pack={pack ?? none} create={!pack} wrong={wrong} />}
    </Move>
  );
}

/** Takes a pack out of the shop. */
export function DeletePack({ pack, close }: { pack: Pack; close: () => void }) {
  const name = pack.name ?? "";
  return (
    <Confirm
      title={`Delete ${name}?`} close={close} action="Delete the pack" danger body={{ delete: name }}
      make={async (key) => {
        await answer(api.DELETE("/farebox/v1/packs/{name}", { params: { path: { name }, header: { "Idempotency-Key": key } } }));
        return `Deleted the pack ${name}.`;
      }}
    >
      <p>It can no longer be sold. What was sold of it stays as it is.</p>
    </Confirm>
  );
}

function read(said: FormData, name: string | undefined): Told {
  const overdraftType = textOf(said, "overdraftType") as NonNullable<Pack["overdraftType"]>;
  const unitPrice = ifSaid(said, "unitPrice", amountOf);
  const unit = textOf(said, "unit");
  const period = textOf(said, "period") === "" ? "" : unit === "iso" ? textOf(said, "period") : `P${unit === "H" ? "T" : ""}${wholeOf(said, "period")}${unit}`;
  return {
    name: name ?? textOf(said, "name"), quantity: wholeOf(said, "quantity"), period, series: textOf(said, "series"), kind: textOf(said, "kind") as NonNullable<Pack["kind"]>,
    currency: textOf(said, "currency").toUpperCase(), priority: ifSaid(said, "priority", wholeOf) ?? 0, resetFrequency: textOf(said, "resetFrequency") as NonNullable<Pack["resetFrequency"]>, overdraftType,
    ...(unitPrice === undefined ? {} : { unitPrice }),
    ...(overdraftType === "NUMBER" ? { overdraftLimit: wholeOf(said, "overdraftLimit") } : {}), ...(overdraftType === "PERCENT" ? { overdraftPercent: amountOf(said, "overdraftPercent") } : {}),
  };
}

const rows = (p: Told): [string, string][] => [
  ["Tokens of one pack", full(p.quantity)], ["Good for", p.period ? periodInWords(p.period) || p.period : "as the sale says"], ["Priced by the series", p.series || "tables without a series"],
  ["Overdraft", overdraftOf(p).replace("overdraft ", "") || "none"], ["There anew every", (p.resetFrequency ?? "").toLowerCase()], ["Kind", p.kind === "FREE" ? "given away" : "sold"],
  ["Price of a token", p.unitPrice === undefined ? "" : `${full(p.unitPrice)} ${p.currency ?? ""}`], ["Priority", full(p.priority ?? 0)],
];

function Fields({ pack: p, create, wrong }: { pack: Told; create: boolean; wrong: Wrong }) {
  const [overdraft, setOverdraft] = useState(p.overdraftType || "NONE");
  const [, amount, unit] = /^P(?:T(?=\d+H$))?(\d+)([DWH])$/.exec(p.period ?? "") ?? ["", p.period ?? "", p.period ? "iso" : "D"];
  const [chosen, choose] = useState(unit);
  return (
    <>
      <div className="entries">
        {create && <Entry label="Name" hint="What sales call it." {...wrong("name")}>{(e) => <input {...e} name="name" maxLength={256} autoComplete="off" required autoFocus />}</Entry>}
        <Entry label="Tokens of one pack" {...wrong("quantity")}>{(e) => <input {...e} name="quantity" inputMode="numeric" autoComplete="off" required defaultValue={p.quantity === 0 ? "" : String(p.quantity)} autoFocus={!create} />}</Entry>
        <Entry label="Good for" hint={chosen === "iso" ? "Such as P365DT12H." : "From its start on. Empty: every sale says when it ends."} {...wrong("period")}>
          {(e) => (
            <span className="joined">
              <input {...e} name="period" autoComplete="off" defaultValue={amount} />
              <select name="unit" aria-label="Unit of time" value={chosen} onChange={(c) => choose(c.target.value)}><option value="D">days</option><option value="W">weeks</option><option value="H">hours</option><option value="iso">ISO 8601</option></select>
            </span>
          )}
        </Entry>
        <SeriesEntry name="series" value={p.series ?? ""} {...wrong("series")} />
        <Entry label="Overdraft" {...wrong("overdraftType")}>
          {(e) => (
            <select {...e} name="overdraftType" value={overdraft} onChange={(c) => setOverdraft(c.target.value as typeof overdraft)}>
              <option value="NONE">none</option><option value="NUMBER">tokens for each pack</option><option value="PERCENT">percent of what is sold</option><option value="PERCENT_AT_SALE">percent, by the sale</option><option value="UNLIMITED">without end</option>
            </select>
          )}
        </Entry>
        {overdraft === "NUMBER" && <Entry label="Overdraft tokens" {...wrong("overdraftLimit")}>{(e) => <input {...e} name="overdraftLimit" inputMode="numeric" required defaultValue={p.overdraftLimit === undefined ? "" : String(p.overdraftLimit)} />}</Entry>}
        {overdraft === "PERCENT" && <Entry label="Overdraft percent" {...wrong("overdraftPercent")}>{(e) => <input {...e} name="overdraftPercent" inputMode="decimal" required defaultValue={p.overdraftPercent === undefined ? "" : String(p.overdraftPercent)} />}</Entry>}
      </div>
      <details>
        <summary>More terms: recurring, price, order of drawing</summary>
        <div className="entries">
          <Entry label="There anew every" {...wrong("resetFrequency")}>
            {(e) => <select {...e} name="resetFrequency" defaultValue={p.resetFrequency ?? ""}><option value="">no, it is there once</option>{["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"].map((f) => <option key={f} value={f}>{f.toLowerCase()}</option>)}</select>}
          </Entry>
          <Entry label="Kind" {...wrong("kind")}>{(e) => <select {...e} name="kind" defaultValue={p.kind || "PAID"}><option value="PAID">sold</option><option value="FREE">given away</option></select>}</Entry>
          <Entry label="Price of a token" {...wrong("unitPrice")}>{(e) => <input {...e} name="unitPrice" inputMode="decimal" autoComplete="off" defaultValue={p.unitPrice === undefined ? "" : String(p.unitPrice)} />}</Entry>
          <Entry label="Currency" hint="Three letters, such as EUR." {...wrong("currency")}>{(e) => <input {...e} name="currency" maxLength={3} autoComplete="off" defaultValue={p.currency ?? ""} />}</Entry>
          <Entry label="Priority" hint="A lower one is drawn first." {...wrong("priority")}>{(e) => <input {...e} name="priority" inputMode="numeric" autoComplete="off" defaultValue={String(p.priority ?? 0)} />}</Entry>
        </div>
      </details>
    </>
  );
}
