import { useEffect, useRef, useState } from "react";
import { answer, api } from "../../api/client";
import { Confirm } from "../../ui/confirm";
import { short, Time } from "../../ui/format";
import type { Version } from "./item";

/** In the order in which they price: of two from the same time, the one posted later is later. */
export const inOrder = (all: readonly Version[]) => all.toSorted((a, b) => a.effectiveFrom - b.effectiveFrom || a.created - b.created);

const states = { PAST: ["Past", ""], EFFECTIVE: ["Effective", "good"], PLANNED: ["To come", ""] } as const;

/** The versions of a series on a line of time; the one that prices now is marked. */
export function Timeline({ versions, seen, see }: { versions: readonly Version[]; seen: Version; see: (v: Version) => void }) {
  const line = useRef<HTMLOListElement>(null);
  const [withdrawing, withdraw] = useState<Version | null>(null);
  // Of many versions those around now are of interest. Only the line moves, never the page.
  useEffect(() => {
    const [at, chosen] = [line.current, line.current?.querySelector<HTMLElement>("li:has([aria-pressed=true])")];
    if (at && chosen) at.scrollLeft = chosen.offsetLeft - at.clientWidth / 2 + chosen.offsetWidth / 2;
  }, [seen.series, versions.length]);
  return (
    <>
      <ol ref={line} className="timeline" tabIndex={0} aria-label="Versions, by when they begin">
        {versions.map((v) => {
          const [name, kind] = states[v.state];
          return (
            <li key={v.version} className={v.state.toLowerCase()}>
              {v.state === "EFFECTIVE" && <span className="now" aria-hidden>now</span>}
              <button aria-pressed={v === seen} onClick={() => see(v)}>
                <span><strong>{v.version}</strong> <span className={`badge ${kind}`}>{name}</span></span>
                <span className="quiet">from <Time ms={v.effectiveFrom} only="day" /> · {short(v.items)} items</span>
              </button>
            </li>
          );
        })}
      </ol>
      {seen.state === "PLANNED" && <p className="more">{seen.version} has not begun yet. <button className="sort link" onClick={() => withdraw(seen)}>Withdraw it</button></p>}
      {withdrawing && <Withdraw of={withdrawing} close={() => withdraw(null)} />}
    </>
  );
}

/** Takes back a version that has not begun. */
function Withdraw({ of: { series, version, effectiveFrom }, close }: { of: Version; close: () => void }) {
  return (
    <Confirm
      title={`Withdraw ${version}?`} close={close} action="Withdraw the version" danger body={{ withdraw: series, version }}
      make={async (key) => {
        await answer(api.DELETE("/dynamicmonetization/provisioning/api/v1.1/rate-tables", { params: { query: { series, version }, header: { "Idempotency-Key": key } } }));
        return `Withdrew the version ${version}${series && ` of ${series}`}.`;
      }}
    >
      <p>It was to price {series ? `the series ${series}` : "what has no series"} from <Time ms={effectiveFrom} /> on. What prices until then goes on to do so. A withdrawn version is gone.</p>
    </Confirm>
  );
}
