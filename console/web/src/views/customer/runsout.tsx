import type { Schemas } from "../../api/client";

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const at = (date: string) => new Date(`${date}T12:00:00Z`);

/** When what is left is likely to be gone, with the range that 8 of 10 futures lie in. Its days are those of UTC. */
export function RunsOutRange({ of, tooLittle }: { of: Schemas["ForecastDay"] | undefined; tooLittle: string | undefined }) {
  if (tooLittle) return <span className="quiet" title={tooLittle}>too early to tell</span>;
  if (!of) return <span className="quiet" title="hardly within 400 days, nor before it ends">not before it ends</span>;
  const likely = of.likely ? day.format(at(of.likely)) : `after ${day.format(at(of.earliest))}`;
  const range = of.latest ? day.formatRange(at(of.earliest), at(of.latest)) : `${day.format(at(of.earliest))} or later`;
  return <span title="The range is that of 8 of 10 futures; days are those of UTC">{likely}{of.earliest !== of.latest && <span className="quiet"> ({range})</span>}</span>;
}
