import { useWho } from "../../auth";
import { Link } from "../../router";

/** A version of a rate table, as a link for those who may see it. */
export function RateTableLink({ series, version }: { series: string | undefined; version: string }) {
  const name = [series, version].filter(Boolean).join(" ");
  return useWho()?.role === "vendor" ? <Link to={`/rate-tables?${new URLSearchParams({ series: series ?? "", version })}`}>{name}</Link> : <>{name}</>;
}
