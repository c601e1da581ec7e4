import createClient from "openapi-fetch";
import type { components, paths } from "./schema.gen";
import { signOut, token } from "../auth";

export type Schemas = components["schemas"];

/** The public API, typed by openapi.yaml. Nothing else is asked. */
export const api = createClient<paths>({ baseUrl: "" });

api.use({
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${token()}`);
    return request;
  },
  async onResponse({ response }) {
    if (response.status === 401) signOut(reasonOf(await response.clone().json().catch(() => null)));
    return response;
  },
});

function reasonOf(body: unknown): string {
  const detail = said(body);
  return detail.includes("expired") ? "Your token has expired. Sign in with a new one." : `The server does not accept this token: ${detail || "no reason was given"}.`;
}

/** What an error answer says, in either of the API's two shapes. */
function said(body: unknown): string {
  if (body === null || typeof body !== "object") return "";
  if ("detail" in body && typeof body.detail === "string") return body.detail;
  if ("message" in body && typeof body.message === "string") return body.message;
  if ("errors" in body && Array.isArray(body.errors)) return said(body.errors[0]);
  return "";
}

/** The data of an answer; an Error for people when there is none. */
export async function answer<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call.catch(() => {
    throw new Error("The server cannot be reached.");
  });
  if (data === undefined) throw new Error(said(error) || `The server answered ${response.status}.`);
  return data;
}
