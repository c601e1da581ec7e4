import { answer, api, Refused, type Schemas } from "../../api/client";
import { atLeast0, minus } from "../../api/decimal";
import type { Change } from "../../ui/confirm";

export type LineItem = Schemas["LineItemBalance"];

/** How the line items of an instance stand now. */
export const standings = (instanceId: string) => answer(api.GET("/farebox/v1/instances/{instanceId}/balance", { params: { path: { instanceId } } }));

export async function standingOf(instanceId: string, activationId: string): Promise<LineItem> {
  const found = (await standings(instanceId)).lineItems.find((l) => l.activationId === activationId);
  if (!found) throw new Refused("", `The line item ${activationId} is not there any more.`);
  return found;
}

/** What a line item has left, and how far it is overdrawn, once its quantity or its use is another one. */
export function after(l: Pick<LineItem, "quantity" | "used" | "held">, next: { quantity?: number; used?: number }) {
  const [quantity, used] = [next.quantity ?? l.quantity, next.used ?? l.used];
  return { quantity, used, left: atLeast0(minus(minus(quantity, used), l.held ?? 0)), overdraft: atLeast0(minus(used, quantity)) };
}

/** The same as changes: what is, and what will be. */
export function changesOf(l: LineItem, next: { quantity?: number; used?: number }): Change[] {
  const [was, is] = [after(l, {}), after(l, next)];
  const changes: Change[] = [];
  if (next.quantity !== undefined) changes.push({ what: "Quantity", before: was.quantity, after: is.quantity });
  if (next.used !== undefined) changes.push({ what: "Used", before: was.used, after: is.used });
  changes.push({ what: "Left", before: was.left, after: is.left });
  if (was.overdraft > 0 || is.overdraft > 0) changes.push({ what: "Overdraft used", before: was.overdraft, after: is.overdraft });
  return changes;
}

/** What each line item gets back of a charge: what was drawn last first, overdrafts before balances, after what earlier refunds gave back. */
export function backOf(item: Schemas["ReceiptItem"], before: number, tokens: number): { activationId: string; tokens: number; allowance?: number }[] {
  const drawn = [
    ...item.lineItems.map((s) => ({ ...s, tokens: minus(s.tokens, s.overdraft ?? 0) })),
    ...item.lineItems.map((s) => ({ ...s, tokens: s.overdraft ?? 0 })),
  ].reverse();
  let [skip, rest] = [before, tokens];
  const out: { activationId: string; tokens: number; allowance?: number }[] = [];
  for (const s of drawn) {
    const gone = minus(skip, s.tokens) > 0 ? s.tokens : skip;
    const here = minus(s.tokens, gone);
    const back = minus(rest, here) > 0 ? here : rest;
    [skip, rest] = [minus(skip, gone), minus(rest, back)];
    if (back > 0) out.push({ activationId: s.activationId, tokens: back, ...(s.allowance === undefined ? {} : { allowance: s.allowance }) });
  }
  return out;
}

const months = { MONTH: 1, QUARTER: 3, YEAR: 12 } as const;
const days = { DAY: 1, WEEK: 7 } as const;

/** Whether an allowance that began then is over: what is given back to it is given to nobody. */
export function allowanceOver(l: LineItem, beganMS: number, nowMS: number): boolean {
  const every = l.resetFrequency as keyof typeof months | keyof typeof days | undefined;
  if (every === undefined) return false;
  if (every in days) return beganMS + days[every as keyof typeof days] * 86_400_000 <= nowMS;
  const began = new Date(beganMS);
  const [year, month] = [began.getUTCFullYear(), began.getUTCMonth() + months[every as keyof typeof months]];
  const day = Math.min(new Date(l.start).getUTCDate(), new Date(Date.UTC(year, month + 1, 0)).getUTCDate()); // months without that day take their last
  return Date.UTC(year, month, day) + (beganMS % 86_400_000) <= nowMS;
}
