import createClient from "openapi-fetch";
import { parse } from "./exact";
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
  async onResponse({ request, response }) {
    if (response.status === 503 && request.method === "GET") response = await patiently(request, response);
    if (response.status === 401) signOut(reasonOf(await response.clone().json().catch(() => null)));
    if (!response.ok || response.status === 204) return response;
    // Amounts keep their digits. The client calls json only where the length is said.
    const text = await response.text();
    const headers = new Headers(response.headers);
    headers.set("Content-Length", String(text.length));
    return Object.assign(new Response(text, { status: response.status, headers }), { json: () => Promise.resolve(parse(text)) });
  },
});

const triesMost = 3;
const patienceS = 5; // whoever waits longer is told, and tries again

/** Asks again what the server was too busy to answer, when it says so. */
async function patiently(request: Request, response: Response): Promise<Response> {
  for (let tries = 0; response.status === 503 && tries < triesMost; tries++) {
    const wait = parseInt(response.headers.get("Retry-After") ?? "") || 1;
    if (wait > patienceS) break;
    await new Promise((r) => setTimeout(r, 1000 * wait));
    response = await fetch(request);
  }
  return response;
}

function reasonOf(body: unknown): string {
  const detail = said(body);
  return detail.includes("expired") ? "Your token has expired. Sign in with a new one." : `The server does not accept this token: ${detail || "no reason was given"}.`;
}

/** What an error answer says, in whichever of the API's shapes. */
function said(body: unknown): string {
  if (body === null || typeof body !== "object") return "";
  if ("detail" in body && typeof body.detail === "string") return body.detail;
  if ("message" in body && typeof body.message === "string") return body.message;
  if ("error" in body && typeof body.error === "string") return body.error;
  if ("errors" in body && Array.isArray(body.errors)) return said(body.errors[0]);
  return "";
}

/** Why the server refused, for people; `field` is the part of the request that it names, such as `[0].allocation`, `detail` what is wrong with it, and `more` what else is. */
export class Refused extends Error {
  constructor(readonly field: string, readonly detail: string, readonly more: readonly Refused[] = []) {
    super(field ? `${field}: ${detail}` : detail);
  }
}

/** The Farebox API names the field beside what it says, the reference API in front of it. */
function refused(body: unknown, status: number): Refused {
  if (body !== null && typeof body === "object" && "message" in body && Array.isArray(body.message)) {
    const [first, ...more] = body.message.map((m) => refused({ message: String(m).replace(/^\$\./, "") }, status)); // a JSON path each
    if (first) return new Refused(first.field, first.detail, more);
  }
  const text = said(body) || `The server answered ${status}.`;
  if (body !== null && typeof body === "object" && "field" in body && typeof body.field === "string") return new Refused(body.field, text);
  const [, field, detail] = /^((?:\w+|\[\d+\])(?:\.\w+|\[\d+\])*): (.+)$/s.exec(text) ?? [];
  return field !== undefined && detail !== undefined ? new Refused(field, detail) : new Refused("", text);
}

/** The data of an answer, undefined where it has none; an Error for people when the server refused. */
export async function answer<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call.catch(() => {
    throw new Error("The server cannot be reached.");
  });
  if (!response.ok) throw refused(error, response.status);
  return data as T;
}
