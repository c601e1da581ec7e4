import type { FunctionComponent } from "react";
import type { Who } from "../auth";
import { Customer } from "./customer";
import { Customers } from "./customers";
import { Operate } from "./operate";
import { WebhookPage } from "./operate/webhook";
import { Overview } from "./overview";
import { Packs } from "./packs";
import { RateTables } from "./rates";
import { Usage } from "./usage";

export type ViewProps = { params: Record<string, string>; who: Who };

/** A view: where it is, what it is called, and in the navigation (`nav`, with a letter) or under an entry of it. `customers`: client tokens may. */
export type View = { path: string; title: string; nav?: string; key?: string; under?: string; customers?: boolean; View: FunctionComponent<ViewProps> };

/** Every view there is, in the order of the navigation. Adding one is a line here and a file beside. */
export const views: View[] = [
  { path: "/", title: "Overview", nav: "Overview", key: "o", View: Overview },
  { path: "/customers", title: "Customers", nav: "Customers", key: "c", customers: true, View: Customers },
  { path: "/customers/:instance", title: "Customer", under: "Customers", customers: true, View: Customer },
  { path: "/usage", title: "Usage", nav: "Usage", key: "u", customers: true, View: Usage },
  { path: "/packs", title: "Packs", nav: "Packs", key: "p", View: Packs },
  { path: "/rate-tables", title: "Rate tables", nav: "Rate tables", key: "r", View: RateTables },
  { path: "/operate", title: "Operate", nav: "Operate", key: "s", View: Operate },
  { path: "/operate/webhooks/:webhook", title: "Webhook", under: "Operate", View: WebhookPage },
];
