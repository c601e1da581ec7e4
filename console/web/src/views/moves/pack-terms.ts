import type { Schemas } from "../../api/client";
import { full, periodInWords } from "../../ui/format";

type Pack = Schemas["Pack"];

const unitMS = { W: 7 * 86_400_000, D: 86_400_000, H: 3_600_000, M: 60_000, S: 1_000 } as const;

/** How long a period lasts, such as P365D or PT8H. */
export function lastsMS(period: string | undefined): number | undefined {
  const parts = period?.match(/\d+[WDHMS]/g);
  return parts?.reduce((sum, part) => sum + parseInt(part) * unitMS[part.slice(-1) as keyof typeof unitMS], 0);
}

export function overdraftOf(p: Pack): string {
  switch (p.overdraftType) {
    case "UNLIMITED": return "overdraft without end";
    case "NUMBER": return `overdraft ${full(p.overdraftLimit ?? 0)} each`;
    case "PERCENT": return `overdraft ${full(p.overdraftPercent ?? 0)}%`;
    case "PERCENT_AT_SALE": return "overdraft by the sale";
    default: return "";
  }
}

/** What a pack is, in one line. */
export const terms = (p: Pack) => [
  `${full(p.quantity)} tokens each`, p.period ? `good for ${periodInWords(p.period)}` : "", p.resetFrequency ? `anew every ${p.resetFrequency.toLowerCase()}` : "", overdraftOf(p),
  p.kind === "FREE" ? "given away" : "", p.unitPrice !== undefined ? `${full(p.unitPrice)} ${p.currency ?? ""} a token` : "", p.series ? `priced by ${p.series}` : "",
].filter((t) => t !== "").join(", ");
