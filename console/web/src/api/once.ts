import { useRef } from "react";

/** Ids in the order of time, which the server's index likes best. */
function freshKey(): string {
  const random = crypto.getRandomValues(new Uint32Array(3));
  return Date.now().toString(36) + [...random].map((n) => `-${n.toString(36)}`).join("");
}

/**
 * The idempotency key of a body: the same as long as the caller is there and the body stays the same, so that a second press, or another try after
 * an answer was lost, does nothing twice.
 */
export function useKeys(): (body: unknown) => string {
  const keys = useRef(new Map<string, string>());
  return (body) => {
    const text = JSON.stringify(body);
    const key = keys.current.get(text) ?? freshKey();
    keys.current.set(text, key);
    return key;
  };
}
