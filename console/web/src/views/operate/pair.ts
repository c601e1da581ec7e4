const curve = { name: "ECDSA", namedCurve: "P-256" }; // of what the server accepts, that which every browser makes

/** Browsers make keys only for pages that nobody on the way can have changed. */
export const canMakePairs = () => isSecureContext && "subtle" in crypto;

/** A new key pair in PEM. Its private half is in this page alone. */
export async function makePair(): Promise<{ publicPEM: string; privatePEM: string }> {
  const pair = await crypto.subtle.generateKey(curve, true, ["sign", "verify"]);
  return {
    publicPEM: pem("PUBLIC KEY", await crypto.subtle.exportKey("spki", pair.publicKey)),
    privatePEM: pem("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", pair.privateKey)),
  };
}

function pem(kind: string, der: ArrayBuffer): string {
  const text = btoa(String.fromCharCode(...new Uint8Array(der)));
  return [`-----BEGIN ${kind}-----`, ...(text.match(/.{1,64}/g) ?? []), `-----END ${kind}-----`, ""].join("\n");
}
