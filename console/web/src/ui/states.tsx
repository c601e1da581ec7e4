import { Component, type ReactNode } from "react";
import type { Loaded } from "./data";
import { Time } from "./format";

export const Empty = ({ children }: { children: ReactNode }) => <p className="empty">{children}</p>;
export const Loading = () => <div className="loading" role="status"><span className="hidden">Loading…</span></div>;

export function Failed({ error, retry, since }: { error: Error; retry?: () => void; since?: number }) {
  return (
    <div className="failed" role="alert">
      <p>{error.message}{since !== undefined && <> What is shown is as of <Time ms={since} only="second" />.</>}</p>
      {retry && <button onClick={retry}>Try again</button>}
    </div>
  );
}

/** Shows what was loaded, or how far that is. */
export function Show<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ReactNode }) {
  if (of.state === "loading") return <Loading />;
  if (of.state === "error") return <Failed error={of.error} retry={of.retry} />;
  // In one place each, so that what was there stays as it is: a dialog that is open in it, too.
  return <>{of.state === "old" && <Failed error={of.error} retry={of.retry} since={of.since} />}{children(of.data)}</>;
}

/** Keeps the rest of the page when a view has a bug. */
export class Boundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null as Error | null };
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  override render() {
    return this.state.error ? <Failed error={new Error(`This view failed: ${this.state.error.message}`)} retry={() => this.setState({ error: null })} /> : this.props.children;
  }
}

export function Card({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="card">
      <header><h2>{title}</h2>{aside}</header>
      {children}
    </section>
  );
}

/** A few choices of which one is taken. */
export function Choice<T extends string>({ label, of, chosen, choose }: { label: string; of: readonly T[]; chosen: T; choose: (t: T) => void }) {
  return <div className="choice" role="group" aria-label={label}>{of.map((o) => <button key={o} aria-pressed={o === chosen} onClick={() => choose(o)}>{o}</button>)}</div>;
}
