import { Component, type ReactNode } from "react";
import type { Loaded } from "./data";

export const Empty = ({ children }: { children: ReactNode }) => <p className="empty">{children}</p>;
export const Loading = () => <div className="loading" role="status"><span className="hidden">Loading…</span></div>;

export function Failed({ error, retry }: { error: Error; retry?: () => void }) {
  return (
    <div className="failed" role="alert">
      <p>{error.message}</p>
      {retry && <button onClick={retry}>Try again</button>}
    </div>
  );
}

/** Shows what was loaded, or how far that is. */
export function Show<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ReactNode }) {
  if (of.state === "loading") return <Loading />;
  if (of.state === "error") return <Failed error={of.error} retry={of.retry} />;
  return children(of.data);
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
