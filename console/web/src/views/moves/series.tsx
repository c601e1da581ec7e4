import { answer, api } from "../../api/client";
import { useLoad } from "../../ui/data";
import { Entry } from "../../ui/form";

/** Asks for a series of rate tables, of those there are. Whatever the form begins with stays possible. */
export function SeriesEntry({ name, value, wrong }: { name: string; value: string; wrong?: string }) {
  const loaded = useLoad("series", async () => [...new Set((await answer(api.GET("/farebox/v1/rate-tables"))).tables.map((t) => t.series))].sort());
  const known = loaded.state === "ready" ? loaded.data : [];
  const all = [...new Set([value, ...known])].sort();
  return (
    <Entry label="Priced by the series" {...(wrong ? { wrong } : {})}>
      {(p) => <select {...p} key={all.join()} name={name} defaultValue={value}>{all.map((s) => <option key={s} value={s}>{s || "tables without a series"}</option>)}</select>}
    </Entry>
  );
}
