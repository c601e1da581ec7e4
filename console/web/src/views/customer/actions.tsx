import type { Who } from "../../auth";
import type { LineItem } from "./course";

export type LineItemPart = { instanceId: string; lineItem: LineItem; who: Who; changed: () => void };

/** What can be done with a line item. `changed` has the page load it anew. */
export function LineItemActions({}: LineItemPart) {
  return <div className="actions"></div>;
}
