import { answer, api } from "../api/client";
import type { ViewProps } from "./index";
import { useLoad } from "../ui/data";
import { Show } from "../ui/states";
import { Events } from "./customer/events";
import { Holds, Leases } from "./customer/held";
import { LineItems } from "./customer/lineitems";
import { Rules } from "./customer/rules";
import { Sessions } from "./customer/sessions";
import { UsageOf } from "./customer/usage";
import { CustomerMoves } from "./moves/actions";
import { Quote } from "./quote";

/** A customer's instance: what it has, what it uses, what is going on, and who may use what. Each part is a file in customer/. */
export function Customer({ params, who }: ViewProps) {
  const instanceId = params["instance"] ?? "";
  const path = { instanceId };
  const about = useLoad(`instance ${instanceId}`, () => answer(api.GET("/dynamicmonetization/provisioning/api/v1.1/instances/{instanceId}", { params: { path } })));
  if (about.state === "error") return <><h1>Customer</h1><Show of={about}>{() => null}</Show></>; // and not each part by itself
  return (
    <>
      {about.state === "loading" && <h1>Customer</h1>}
      <Show of={about}>{(i) => <header className="titled"><div><h1>{i.accountId}</h1><p className="quiet">{i.shortName} · <code>{i.id}</code></p></div><CustomerMoves instanceId={instanceId} /></header>}</Show>
      <LineItems instanceId={instanceId} />
      <UsageOf instanceId={instanceId} />
      <div className="together">
        <Sessions instanceId={instanceId} />
        <Holds instanceId={instanceId} who={who} />
        <Leases instanceId={instanceId} who={who} />
      </div>
      <Events instanceId={instanceId} />
      <Rules instanceId={instanceId} />
      <Quote instanceId={instanceId} />
    </>
  );
}
