import type { Who } from "../../auth";
import { LineItemMoves } from "../moves/actions";
import type { LineItem } from "./course";

export type LineItemPart = { instanceId: string; lineItem: LineItem; who: Who; changed: () => void };

/** What can be done with a line item. `changed` has the page load it anew. */
export function LineItemActions({ instanceId, lineItem }: LineItemPart) {
  return <LineItemMoves instanceId={instanceId} lineItem={lineItem} />;
}
