import { type ReactNode, useEffect, useId, useRef } from "react";

/** A modal dialog, there as long as it is rendered; Escape and its button close it, and what had the focus has it again. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: ReactNode }) {
  const at = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => at.current?.showModal(), []);
  return (
    <dialog ref={at} onClose={close} aria-labelledby={id} className="wide">
      <h2 id={id}>{title}</h2>
      {children}
      <form method="dialog"><button className="primary">Close</button></form>
    </dialog>
  );
}

/** An input under its name. */
export function Field({ label, children }: { label: string; children: ReactNode }) {
  return <label className="field"><span className="quiet">{label}</span>{children}</label>;
}
