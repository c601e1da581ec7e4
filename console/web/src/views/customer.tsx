import { answer, api } from "../api/client";
import type { ViewProps } from "./index";
import { useLoad } from "../ui/data";
import { Show } from "../ui/states";
import { Events } from "./customer/events";
import { LineItems } from "./customer/lineitems";
import { Sessions } from "./customer/sessions";
import { Quote } from "./quote";

export function Customer({ params }: ViewProps) {
  const instanceId = params["instance"] ?? "";
  const path = { instanceId };
  const about = useLoad(`instance ${instanceId}`, () => answer(api.GET("/dynamicmonetization/provisioning/api/v1.1/instances/{instanceId}", { params: { path } })));
  return (
    <>
      <Show of={about}>{(i) => <><h1>{i.accountId}</h1><p className="quiet">{i.shortName} · <code>{i.id}</code></p></>}</Show>
      <LineItems instanceId={instanceId} />
      <Quote instanceId={instanceId} />
      <Sessions instanceId={instanceId} />
      <Events instanceId={instanceId} />
    </>
  );
}
