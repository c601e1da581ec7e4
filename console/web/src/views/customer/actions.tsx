import { useState } from "react";
import { LineItemMoves } from "../moves/actions";
import { Access } from "./access";
import type { LineItem } from "./course";

/** What can be done with a line item: to its tokens by the vendor, and to who may use them by the customer, too. */
export function LineItemActions({ instanceId, lineItem }: { instanceId: string; lineItem: LineItem }) {
  const [open, setOpen] = useState(false);
  return (
    <div className="actions">
      <LineItemMoves instanceId={instanceId} lineItem={lineItem} />
      <button aria-label={`Access to ${lineItem.activationId}`} onClick={() => setOpen(true)}>Access</button>
      {open && <Access instanceId={instanceId} lineItemId={lineItem.activationId} close={() => setOpen(false)} />}
    </div>
  );
}
