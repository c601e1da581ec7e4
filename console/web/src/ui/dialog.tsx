import { type ReactNode, useEffect, useId, useRef } from "react";
import { Toasts } from "./toast";

/** A modal dialog, there as long as it is rendered; Escape and its button close it, and what had the focus has it again. `own`: it has buttons of its own. `firm`: Escape does not close it. */
export function Dialog({ title, close, own, firm, children }: { title: string; close: () => void; own?: boolean; firm?: boolean; children: ReactNode }) {
  const at = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    at.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog ref={at} onClose={close} {...(firm ? { closedby: "none" } : {})} aria-labelledby={id} className="wide">
      <h2 id={id}>{title}</h2>
      {children}
      {!own && <form method="dialog"><button className="primary">Close</button></form>}
      <Toasts />
    </dialog>
  );
}

/** An input under its name. */
export function Field({ label, children }: { label: string; children: ReactNode }) {
  return <label className="field"><span className="quiet">{label}</span>{children}</label>;
}
