import { type FormEvent, useEffect, useRef, useState } from "react";
import { reason, retry, signIn, signOut, useOpening, useWho, type Who } from "./auth";
import { go, Link, usePath } from "./router";
import { chooseTheme, theme, type Theme } from "./theme";
import { Boundary, Empty, Loading } from "./ui/states";
import { Toasts } from "./ui/toast";
import { views } from "./views";

export function App() {
  const who = useWho();
  const opening = useOpening();
  if (opening) return <main className="signin"><Loading /></main>;
  return who ? <Shell who={who} /> : <SignIn />;
}

function SignIn() {
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    document.title = "Sign in · Farebox";
  }, []);
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    const text = String(new FormData(e.currentTarget).get("token") ?? "");
    if (!signIn(text)) setWrong("This is no token. A token has three parts with dots between them; copy all of it.");
  };
  const problem = wrong || reason();
  const again = retry();
  return (
    <main className="signin">
      <form onSubmit={submit}>
        <h1>Farebox</h1>
        <label htmlFor="token">Token</label>
        <input id="token" name="token" type="password" autoComplete="off" spellCheck={false} required autoFocus aria-describedby="hint" aria-invalid={problem !== ""} />
        {problem && <p className="failed" role="alert">{problem} {again && <button type="button" onClick={again}>Try again</button>}</p>}
        <button className="primary">Sign in</button>
        <p id="hint" className="quiet">Get a token with <code>farebox token --admin</code>, or a link with <code>farebox console --admin</code>. It stays in this tab.</p>
      </form>
    </main>
  );
}

function Shell({ who }: { who: Who }) {
  const at = usePath();
  const path = at === "/" && who.role === "customer" ? "/customers" : at; // where links lead; the overview is the vendor's
  const main = useRef<HTMLElement>(null);
  const [help, setHelp] = useState(false);
  const mine = views.filter((v) => v.nav !== undefined && (who.role === "vendor" || v.customers));
  const found = match(path, who);
  useEffect(() => {
    document.title = `${found?.title ?? "Not found"} · Farebox`;
  }, [found?.title]);
  useShortcuts(mine, () => setHelp((h) => !h));
  return (
    <>
      <a className="skip" href="#main" onClick={(e) => (e.preventDefault(), main.current?.focus())}>Skip to the content</a>
      <div className="shell">
        <header className="bar">
          <Link to="/" className="brand">Farebox</Link>
          <nav aria-label="Views">
            {mine.map((v) => <Link key={v.path} to={v.path} aria-current={found?.nav === v.nav ? "page" : undefined}>{v.nav}</Link>)}
          </nav>
          <div className="tools">
            <ThemeChoice />
            <button onClick={() => setHelp(true)} aria-label="Keyboard shortcuts">?</button>
            <button onClick={() => signOut()}>Sign out</button>
          </div>
        </header>
        <main id="main" ref={main} tabIndex={-1}>
          <Boundary key={path}>{found ? found.show : <Elsewhere path={path} />}</Boundary>
        </main>
      </div>
      <Toasts />
      {help && <Help views={mine} close={() => setHelp(false)} />}
    </>
  );
}

/** Says why there is nothing to see: it is the vendor's, or it is not there. */
function Elsewhere({ path }: { path: string }) {
  return match(path, { role: "vendor", instances: [] })
    ? <><h1>For the vendor</h1><Empty>You are signed in as a customer, and this page is the vendor's alone. <Link to="/customers">Go to your balances</Link>, or sign out and in with an administration token.</Empty></>
    : <><h1>Not found</h1><Empty>There is nothing at this address. <Link to="/">Go to the beginning</Link>.</Empty></>;
}

function match(path: string, who: Who) {
  for (const v of views) {
    if (who.role !== "vendor" && !v.customers) continue;
    const names: string[] = [];
    const pattern = v.path.replace(/:(\w+)/g, (_, name: string) => (names.push(name), "([^/]+)"));
    const parts = new RegExp(`^${pattern}/?$`).exec(path);
    if (!parts) continue;
    const params = Object.fromEntries(names.map((n, i) => [n, decoded(parts[i + 1] ?? "")]));
    return { title: v.title, nav: v.nav ?? v.under, show: <v.View params={params} who={who} /> };
  }
  return null;
}

/** A part of the address as text; as it is when it cannot be read. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function ThemeChoice() {
  const [chosen, set] = useState(theme());
  return (
    <select aria-label="Colours" value={chosen} onChange={(e) => { const t = e.target.value as Theme; chooseTheme(t); set(t); }}>
      <option value="system">Auto</option>
      <option value="light">Light</option>
      <option value="dark">Dark</option>
    </select>
  );
}

/** `g` and a view's letter go there; `?` shows what there is. Whoever types into a field types. */
function useShortcuts(mine: typeof views, help: () => void) {
  useEffect(() => {
    let after = "";
    const press = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || (e.target instanceof HTMLElement && e.target.closest("input, select, textarea, dialog"))) return;
      const to = after === "g" ? mine.find((v) => v.key === e.key) : undefined;
      after = e.key;
      if (to) go(to.path);
      else if (e.key === "?") help();
      else if (e.key === "/") {
        const field = document.querySelector<HTMLInputElement>("input[type=search]");
        if (field) (e.preventDefault(), field.focus());
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
}

function Help({ views: mine, close }: { views: typeof views; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="help">
      <h2 id="help">Keyboard</h2>
      <dl>
        {mine.map((v) => <div key={v.path}><dt><kbd>g</kbd> <kbd>{v.key}</kbd></dt><dd>{v.nav}</dd></div>)}
        <div><dt><kbd>/</kbd></dt><dd>Search, where there is a search</dd></div>
        <div><dt><kbd>?</kbd></dt><dd>This</dd></div>
      </dl>
      <form method="dialog"><button className="primary">Close</button></form>
    </dialog>
  );
}
