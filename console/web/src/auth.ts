import { useSyncExternalStore } from "react";

/** Who is signed in: a vendor sees everything, a customer the instances of the token. */
export type Who = { role: "vendor" | "customer"; instances: string[] };

// Of this tab alone, and gone with it.
const key = "farebox.token";
let why = "";
const listeners = new Set<() => void>();
const changed = () => listeners.forEach((l) => l());

export const token = () => sessionStorage.getItem(key) ?? "";
export const reason = () => why;

/** Keeps a token; false when it is no JSON Web Token. Whether it is good, the server says. */
export function signIn(text: string): boolean {
  const trimmed = text.trim().replace(/^Bearer\s+/i, "");
  if (!who(trimmed)) return false;
  sessionStorage.setItem(key, trimmed);
  why = "";
  changed();
  return true;
}

export function signOut(because = "") {
  sessionStorage.removeItem(key);
  why = because;
  changed();
}

/** Takes the token out of a link, and the link out of the address bar and the history. */
export function signInByLink() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  if (!signIn(given)) signOut("The link's token is cut off. Copy the whole link.");
}

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
