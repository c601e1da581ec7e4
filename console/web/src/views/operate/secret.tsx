import { type ReactNode, useState } from "react";
import { Dialog } from "../../ui/dialog";

/** Shows what is shown once. It stays until somebody says that it is kept: Escape does not lose it. */
export function Secret({ title, text, file, close, children }: { title: string; text: string; file?: string; close: () => void; children: ReactNode }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <Dialog title={title} close={close} own firm>
      <p className="warn"><strong>This is shown once.</strong></p>
      <p>{children}</p>
      <pre className="secret" tabIndex={0} aria-label={title}>{text}</pre>
      <div className="actions confirm">
        {"clipboard" in navigator && <button onClick={() => void copy()}>{copied ? "Copied" : "Copy"}</button>}
        {file && <a className="button" download={file} href={`data:application/x-pem-file,${encodeURIComponent(text)}`}>Save as a file</a>}
        <button className="primary" onClick={close}>I have kept it</button>
      </div>
    </Dialog>
  );
}
