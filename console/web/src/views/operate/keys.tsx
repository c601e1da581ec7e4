import { useState } from "react";
import { answer, api, Refused, type Schemas } from "../../api/client";
import { Confirm } from "../../ui/confirm";
import { useLoad } from "../../ui/data";
import { Entry } from "../../ui/form";
import { Time } from "../../ui/format";
import { Card, Empty, Show } from "../../ui/states";
import { Table } from "../../ui/table";
import { Move, textOf } from "../moves/move";
import { canMakePairs, makePair } from "./pair";
import { Secret } from "./secret";

type Key = Schemas["Key"];
type Open = { what: "add" } | { what: "delete"; key: Key } | { what: "private"; id: string; text: string } | null;

const roles = { "administration-key": "administration", "client-key": "client" } as const;

/** The public keys whose tokens the server accepts. */
export function Keys() {
  const [open, setOpen] = useState<Open>(null);
  const loaded = useLoad("keys", allKeys);
  const close = () => setOpen(null);
  return (
    <Card title="Keys" aside={<button onClick={() => setOpen({ what: "add" })}>Add a key</button>}>
      <p className="quiet">Tokens are signed with private keys; the server keeps the public halves. Deleting a key ends every token that was signed with it.</p>
      <Show of={loaded}>
        {(keys) => keys.length === 0 ? <Empty>There is no key.</Empty> : (
          <Table
            label="Keys" rows={keys} id={(k) => k.type + k.id} most={20}
            columns={[
              { name: "Key", by: (k) => k.id, show: (k) => <code>{k.id}</code> },
              { name: "Its tokens are for", by: (k) => k.type, show: (k) => <span className="badge">{roles[k.type]}</span> },
              { name: "Added", by: (k) => k.created, show: (k) => <Time ms={k.created} /> },
              { name: "Replaced", by: (k) => k.modified, show: (k) => (k.modified > k.created ? <Time ms={k.modified} /> : "–") },
              { name: "Actions", bare: true, right: true, show: (k) => <button aria-label={`Delete the ${roles[k.type]} key ${k.id}`} onClick={() => setOpen({ what: "delete", key: k })}>Delete</button> },
            ]}
          />
        )}
      </Show>
      {open?.what === "add" && <AddKey keys={loaded.state === "ready" ? loaded.data : []} close={close} made={(id, text) => setOpen({ what: "private", id, text })} />}
      {open?.what === "delete" && <DeleteKey of={open.key} last={loaded.state === "ready" && loaded.data.filter((k) => k.type === open.key.type).length === 1} close={close} />}
      {open?.what === "private" && (
        <Secret title={`The private key of ${open.id}`} text={open.text} file={`${open.id}.pem`} close={close}>
          It was made in this browser and is on no server. Keep it where only you can read it; <code>farebox token --key FILE</code> signs with it.
        </Secret>
      )}
    </Card>
  );
}

async function allKeys(): Promise<Key[]> {
  const all: Key[] = [];
  for (let next = 0; ; ) {
    const page = await answer(api.GET("/dynamicmonetization/floating/api/v1.1/public-keys", { params: { query: { next, size: 100 } } }));
    all.push(...page.keys);
    if (page.next === 0) return all;
    next = page.next;
  }
}

/** Registers a public key that was pasted, or of a pair that is made here. */
function AddKey({ keys, close, made }: { keys: readonly Key[]; close: () => void; made: (id: string, privatePEM: string) => void }) {
  const [how, choose] = useState(canMakePairs() ? "make" : "paste");
  // Past the end of the dialog's own closing, which comes after what was made is known.
  const [kept] = useState<{ pem: string; id: string }>({ pem: "", id: "" });
  return (
    <Move
      title="Add a key" close={() => (kept.pem ? made(kept.id, kept.pem) : close())}
      prepare={async (said) => {
        const [id, type] = [textOf(said, "id"), textOf(said, "type") as Key["type"]];
        if (id === "") throw new Refused("id", "Give the key a name.");
        if (id.startsWith("-")) throw new Refused("id", "A name that begins with a dash looks like a flag to the command line.");
        const pair = how === "make" ? await makePair() : { publicPEM: `${textOf(said, "publicKey")}\n`, privatePEM: "" };
        const there = keys.find((k) => k.id === id && k.type === type);
        return {
          body: { id, type, ...pair }, action: there ? "Replace the key" : "Add the key",
          changes: [{ of: id, changes: [{ what: `${roles[type].charAt(0).toUpperCase()}${roles[type].slice(1)} key`, before: there ? "another key" : "–", after: how === "make" ? "a new pair's public half" : "the key that you pasted" }] }],
          note: <>
            {there && <p className="warn">A key of this name is there. It is replaced, and tokens that were signed with it end.</p>}
            {type === "administration-key" && <p className="warn">Whoever has its private half may do everything on this server.</p>}
          </>,
        };
      }}
      make={async ({ id, type, publicPEM, privatePEM }, key) => {
        const call = { params: { header: { "Idempotency-Key": key } }, body: [{ id, publicKey: publicPEM }] };
        if (type === "client-key") await answer(api.PUT("/dynamicmonetization/floating/api/v1.1/client-keys", call));
        else await answer(api.PUT("/dynamicmonetization/floating/api/v1.1/administration-keys", call));
        Object.assign(kept, { id, pem: privatePEM });
        return `Added the key ${id}. Other servers accept it within ten seconds.`;
      }}
    >
      {(wrong) => (
        <>
          <div className="entries">
            <Entry label="Name" hint="As tokens name it in cnf.jwk.kid." {...wrong("id")}>{(e) => <input {...e} name="id" maxLength={256} autoComplete="off" spellCheck={false} required autoFocus />}</Entry>
            <Entry label="Its tokens are for" {...wrong("type")}>{(e) => <select {...e} name="type" defaultValue="client-key"><option value="client-key">clients</option><option value="administration-key">administration</option></select>}</Entry>
            <Entry label="Where it comes from" wide hint={!canMakePairs() ? "A pair can be made where the page comes by https, or from this machine." : how === "make" ? "Its private key is shown once, and is kept nowhere." : undefined}>
              {(e) => (
                <select {...e} value={how} onChange={(c) => choose(c.target.value)}>
                  {canMakePairs() && <option value="make">make a pair here</option>}
                  <option value="paste">paste a public key</option>
                </select>
              )}
            </Entry>
            {how === "paste" && <Entry label="Public key" wide hint="PEM: RSA from 2048 bits, ECDSA on P-256 or P-384, or Ed25519. Never paste a private key." {...wrong("publicKey")}>{(e) => <textarea {...e} name="publicKey" rows={6} spellCheck={false} autoComplete="off" required placeholder="-----BEGIN PUBLIC KEY-----" />}</Entry>}
          </div>
        </>
      )}
    </Move>
  );
}

function DeleteKey({ of, last, close }: { of: Key; last: boolean; close: () => void }) {
  return (
    <Confirm
      title={`Delete ${of.id}?`} close={close} action="Delete the key" danger body={{ delete: of.id, type: of.type }}
      make={async (key) => {
        const call = { params: { path: { keyId: of.id }, header: { "Idempotency-Key": key } } };
        if (of.type === "client-key") await answer(api.DELETE("/dynamicmonetization/floating/api/v1.1/client-keys/{keyId}", call));
        else await answer(api.DELETE("/dynamicmonetization/floating/api/v1.1/administration-keys/{keyId}", call));
        return `Deleted the key ${of.id}.`;
      }}
    >
      <p>Every token that was signed with this {roles[of.type]} key ends at once; on other servers within ten seconds.</p>
      {of.type === "administration-key" && <p className="warn">{last ? "It is the last administration key: nobody can administer the server over HTTP afterwards." : "If you signed in with its token, you are signed out."}</p>}
    </Confirm>
  );
}
