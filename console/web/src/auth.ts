import { useSyncExternalStore } from "react";

/** Who is signed in: a vendor sees everything, a customer the instances of the token. */
export type Who = { role: "vendor" | "customer"; instances: string[] };

// Of this tab alone, and gone with it.
const key = "farebox.token";
let why = "";
let opening = false;
let again: (() => void) | undefined;
const listeners = new Set<() => void>();
const changed = () => listeners.forEach((l) => l());

export const token = () => sessionStorage.getItem(key) ?? "";
export const reason = () => why;

/** Tries to open a link once more that the server had no answer to; nothing if there is none. */
export const retry = () => again;

/** Keeps a token; false when it is no JSON Web Token. Whether it is good, the server says. */
export function signIn(text: string): boolean {
  const trimmed = text.trim().replace(/^Bearer\s+/i, "");
  if (!who(trimmed)) return false;
  sessionStorage.setItem(key, trimmed);
  [why, again] = ["", undefined];
  changed();
  return true;
}

export function signOut(because = "") {
  sessionStorage.removeItem(key);
  why = because;
  changed();
}

/** Opens the link in the address, which signs in once, and takes it out of the address bar and the history first. */
export function signInByLink() {
  const link = new URLSearchParams(location.hash.slice(1)).get("link");
  if (link === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  // Whoever has the link later does not have this.
  const secret = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32)))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  void open(link, secret);
}

async function open(link: string, secret: string) {
  sessionStorage.removeItem(key);
  [opening, again, why] = [true, undefined, ""];
  changed();
  let token = "";
  try {
    const response = await fetch("/farebox/v1/sign-in", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ link, secret }) });
    const said = await response.json() as { token?: string; detail?: string };
    token = said.token ?? "";
    if (!response.ok) why = sentence(said.detail ?? `the server answered ${response.status}`);
    if (response.status >= 500) again = () => void open(link, secret);
  } catch {
    [why, again] = ["The server cannot be reached.", () => void open(link, secret)];
  }
  opening = false;
  if (!token) changed();
  else if (!signIn(token)) signOut("The server's answer makes no sense. Paste a token.");
}

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1).replaceAll("`", "") + ".";

/** What a token says of itself, unverified: it chooses what is shown, never what is allowed. */
export function who(text: string): Who | null {
  try {
    const part = text.split(".")[1];
    if (part === undefined) return null;
    const claims = JSON.parse(atob(part.replace(/-/g, "+").replace(/_/g, "/"))) as { aud?: string | string[]; cnf?: { jwk?: { kty?: string } } };
    const admin = claims.cnf?.jwk?.kty?.toUpperCase().startsWith("ADMIN") ?? false;
    return { role: admin ? "vendor" : "customer", instances: [claims.aud ?? []].flat() };
  } catch {
    return null;
  }
}

export function useWho(): Who | null {
  const text = useSyncExternalStore((l) => (listeners.add(l), () => listeners.delete(l)), token);
  return text === "" ? null : who(text);
}

/** Whether a link is being opened. */
export const useOpening = () => useSyncExternalStore((l) => (listeners.add(l), () => listeners.delete(l)), () => opening);
