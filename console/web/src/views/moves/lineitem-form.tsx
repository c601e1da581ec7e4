import { useState } from "react";
import type { Schemas } from "../../api/client";
import { Entry, localTime } from "../../ui/form";
import { amountOf, ifSaid, momentOf, textOf, type Wrong, wholeOf } from "./move";
import { SeriesEntry } from "./series";

type LineItem = Schemas["LineItemV11"];
type Attributes = Schemas["AttributesV11"];

/** What a line item was told to be, flat. */
export type Terms = {
  activationId: string; state: LineItem["state"]; quantity: number; start: number; end: number;
  series: string; overdraftType: NonNullable<Attributes["overdraftType"]>; overdraftLimit: number | undefined; resetFrequency: NonNullable<Attributes["resetFrequency"]>;
  priority: number; kind: "PAID" | "FREE"; unitPrice: number | undefined; currency: string; elastic: boolean;
};

const year = 365 * 86_400_000;
const minute = 60_000;

/** What a new one begins with: from now on, for a year. */
export function fresh(): Terms {
  const start = Math.floor(Date.now() / minute) * minute;
  return {
    activationId: "", state: "DEPLOYED", quantity: 0, start, end: start + year, series: "", overdraftType: "", overdraftLimit: undefined, resetFrequency: "",
    priority: 0, kind: "PAID", unitPrice: undefined, currency: "", elastic: true,
  };
}

export function termsOf(l: LineItem): Terms {
  const a = l.attributes;
  return {
    activationId: l.activationId, state: l.state, quantity: l.quantity, start: l.start, end: l.end, series: a.rateTableSeries ?? "", overdraftType: a.overdraftType ?? "",
    overdraftLimit: a.overdraftLimit, resetFrequency: a.resetFrequency ?? "", priority: a.priority ?? 0, kind: a.kind === "FREE" ? "FREE" : "PAID",
    unitPrice: a.unitPrice, currency: a.currency ?? "", elastic: a.elastic ?? true,
  };
}

export function written(t: Terms): LineItem {
  return {
    activationId: t.activationId, state: t.state, quantity: t.quantity, start: t.start, end: t.end,
    attributes: {
      elastic: t.elastic, rateTableSeries: t.series, overdraftType: t.overdraftType, resetFrequency: t.resetFrequency, priority: t.priority, kind: t.kind, currency: t.currency,
      ...(t.overdraftType === "Number" && t.overdraftLimit !== undefined ? { overdraftLimit: t.overdraftLimit } : {}), ...(t.unitPrice === undefined ? {} : { unitPrice: t.unitPrice }),
    },
  };
}

/** What the form says. A field shows minutes; one that was not touched keeps its seconds. */
export function read(said: FormData, began: Terms): Terms {
  const time = (field: "start" | "end") => (textOf(said, field) === localTime(began[field]) ? began[field] : momentOf(said, field));
  return {
    activationId: began.activationId || textOf(said, "activationId"), state: began.activationId === "" ? "DEPLOYED" : textOf(said, "state") as Terms["state"],
    quantity: wholeOf(said, "quantity"), start: time("start"), end: time("end"),
    series: textOf(said, "attributes.rateTableSeries"), overdraftType: textOf(said, "attributes.overdraftType") as Terms["overdraftType"],
    overdraftLimit: ifSaid(said, "attributes.overdraftLimit", wholeOf), resetFrequency: textOf(said, "attributes.resetFrequency") as Terms["resetFrequency"],
    priority: ifSaid(said, "attributes.priority", wholeOf) ?? 0, kind: textOf(said, "attributes.kind") as Terms["kind"],
    unitPrice: ifSaid(said, "attributes.unitPrice", amountOf), currency: textOf(said, "attributes.currency").toUpperCase(), elastic: textOf(said, "attributes.elastic") === "true",
  };
}

/** The fields, named as the API names them. */
export function LineItemFields({ terms: t, wrong, create }: { terms: Terms; wrong: Wrong; create?: boolean }) {
  const [overdraft, setOverdraft] = useState(t.overdraftType);
  return (
    <>
      <div className="entries">
        {create && <Entry label="Name" hint="Your id of the purchase, such as an order number." {...wrong("activationId")}>{(p) => <input {...p} name="activationId" maxLength={256} autoComplete="off" required autoFocus />}</Entry>}
        <Entry label="Quantity" hint="Tokens bought." {...wrong("quantity")}>{(p) => <input {...p} name="quantity" inputMode="numeric" autoComplete="off" required defaultValue={t.quantity === 0 ? "" : String(t.quantity)} autoFocus={!create} />}</Entry>
        {!create && (
          <Entry label="State" {...wrong("state")}>
            {(p) => <select {...p} name="state" defaultValue={t.state}><option value="DEPLOYED">deployed</option><option value="INACTIVE">inactive, for now</option><option value="OBSOLETE">obsolete, for good</option></select>}
          </Entry>
        )}
        <Entry label="Starts" {...wrong("start")}>{(p) => <input {...p} type="datetime-local" name="start" required defaultValue={localTime(t.start)} />}</Entry>
        <Entry label="Ends" {...wrong("end")}>{(p) => <input {...p} type="datetime-local" name="end" required defaultValue={localTime(t.end)} />}</Entry>
        <SeriesEntry name="attributes.rateTableSeries" value={t.series} {...wrong("attributes.rateTableSeries")} />
        <Entry label="Overdraft" hint="How far it may be charged past its quantity." {...wrong("attributes.overdraftType")}>
          {(p) => <select {...p} name="attributes.overdraftType" value={overdraft} onChange={(e) => setOverdraft(e.target.value as Terms["overdraftType"])}><option value="">none</option><option value="Number">up to a limit</option><option value="Unlimited">without end</option></select>}
        </Entry>
        {overdraft === "Number" && <Entry label="Overdraft limit" hint="Tokens." {...wrong("attributes.overdraftLimit")}>{(p) => <input {...p} name="attributes.overdraftLimit" inputMode="numeric" required defaultValue={t.overdraftLimit === undefined ? "" : String(t.overdraftLimit)} />}</Entry>}
      </div>
      <details>
        <summary>More terms: recurring, price, order of drawing</summary>
        <div className="entries">
          <Entry label="There anew every" hint="An allowance, counted from its start." {...wrong("attributes.resetFrequency")}>
            {(p) => <select {...p} name="attributes.resetFrequency" defaultValue={t.resetFrequency}><option value="">no, it is there once</option>{["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"].map((f) => <option key={f} value={f}>{f.toLowerCase()}</option>)}</select>}
          </Entry>
          <Entry label="Kind" {...wrong("attributes.kind")}>{(p) => <select {...p} name="attributes.kind" defaultValue={t.kind}><option value="PAID">sold</option><option value="FREE">given away</option></select>}</Entry>
          <Entry label="Price of a token" {...wrong("attributes.unitPrice")}>{(p) => <input {...p} name="attributes.unitPrice" inputMode="decimal" autoComplete="off" defaultValue={t.unitPrice === undefined ? "" : String(t.unitPrice)} />}</Entry>
          <Entry label="Currency" hint="Three letters, such as EUR." {...wrong("attributes.currency")}>{(p) => <input {...p} name="attributes.currency" maxLength={3} autoComplete="off" defaultValue={t.currency} />}</Entry>
          <Entry label="Priority" hint="A lower one is drawn first." {...wrong("attributes.priority")}>{(p) => <input {...p} name="attributes.priority" inputMode="numeric" autoComplete="off" defaultValue={String(t.priority)} />}</Entry>
          <Entry label="May be charged" {...wrong("attributes.elastic")}>{(p) => <select {...p} name="attributes.elastic" defaultValue={String(t.elastic)}><option value="true">yes</option><option value="false">no (not elastic)</option></select>}</Entry>
        </div>
      </details>
    </>
  );
}
