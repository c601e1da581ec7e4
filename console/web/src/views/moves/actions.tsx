import { type ReactNode, useState } from "react";
import { useWho } from "../../auth";
import { Adjust } from "./adjust";
import { NewInstance } from "./instance";
import { ChangeLineItem, NewLineItem } from "./lineitem";
import { Sale } from "./sale";
import type { LineItem } from "./standing";
import { TopUp } from "./topup";
import { Transfer } from "./transfer";

/** Buttons that open a dialog each; whoever is no vendor has none. `of` says for the ear what they are about. */
function Buttons({ of, all }: { of?: string; all: readonly (readonly [name: string, dialog: (close: () => void) => ReactNode])[] }) {
  const [open, setOpen] = useState("");
  const who = useWho();
  if (who?.role !== "vendor") return null;
  return (
    <div className="actions">
      {all.map(([name]) => <button key={name} aria-label={of ? `${name} ${of}` : undefined} onClick={() => setOpen(name)}>{name}</button>)}
      {all.find(([name]) => name === open)?.[1](() => setOpen(""))}
    </div>
  );
}

/** What can be done with a line item. */
export function LineItemMoves({ instanceId, lineItem }: { instanceId: string; lineItem: LineItem }) {
  const one = (close: () => void) => ({ instanceId, activationId: lineItem.activationId, close });
  const obsolete = lineItem.state === "OBSOLETE";
  return (
    <Buttons
      of={lineItem.activationId}
      all={[
        ...(obsolete ? [] : [["Top up", (close: () => void) => <TopUp {...one(close)} />] as const]),
        ...(obsolete || lineItem.resetFrequency ? [] : [["Transfer", (close: () => void) => <Transfer {...one(close)} />] as const]),
        ["Adjust", (close) => <Adjust {...one(close)} />],
        ...(obsolete ? [] : [["Change", (close: () => void) => <ChangeLineItem {...one(close)} />] as const]),
      ]}
    />
  );
}

/** What can be done for a customer. */
export function CustomerMoves({ instanceId }: { instanceId: string }) {
  return <Buttons all={[["Sell a pack", (close) => <Sale instanceId={instanceId} close={close} />], ["New line item", (close) => <NewLineItem instanceId={instanceId} close={close} />]]} />;
}

export function CustomersMoves() {
  return <Buttons all={[["New customer", (close) => <NewInstance close={close} />]]} />;
}
