import { type ReactNode, useId } from "react";

export type EntryProps = { id: string; "aria-invalid"?: true; "aria-describedby"?: string };

/** An input under its name, with a hint, and with what is wrong with it. */
export function Entry({ label, hint, wrong, wide, children }: { label: string; hint?: ReactNode; wrong?: string; wide?: boolean; children: (props: EntryProps) => ReactNode }) {
  const id = useId();
  const told = [hint ? `${id}hint` : "", wrong ? `${id}wrong` : ""].filter((t) => t !== "").join(" ");
  return (
    <div className={`entry ${wide ? "whole" : ""}`}>
      <label htmlFor={id}>{label}</label>
      {children({ id, ...(wrong ? { "aria-invalid": true as const } : {}), ...(told ? { "aria-describedby": told } : {}) })}
      {hint && <p id={`${id}hint`} className="quiet">{hint}</p>}
      {wrong && <p id={`${id}wrong`} className="wrong" role="alert">{wrong.charAt(0).toUpperCase() + wrong.slice(1)}</p>}
    </div>
  );
}

/** A time as an input of the type datetime-local has it, in the viewer's zone, and back. */
export const localTime = (ms: number) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
export const timeOf = (local: string) => new Date(local).getTime();
