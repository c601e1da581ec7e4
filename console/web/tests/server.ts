import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

const binary = process.env["FAREBOX_BINARY"] ?? new URL("../../../bin/farebox", import.meta.url).pathname;

/** The real binary, on a port of its own. */
export class Demo {
  private admin = "";
  private constructor(private process: ChildProcess, readonly url: string, private db: string, private folder?: string) {}

  /** With the customers, prices and traffic of the demo. */
  static async start(): Promise<Demo> {
    const process = spawn(binary, ["demo", "--addr", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
    let url = "";
    for await (const line of createInterface({ input: process.stdout })) {
      url ||= /Farebox demo on (http:\/\/[^,\s]+)/.exec(line)?.[1] ?? "";
      const db = /console --admin --db (\S+)/.exec(line)?.[1];
      if (url && db) {
        process.stdout.resume(); // so that it never waits for a reader
        return new Demo(process, url, db);
      }
    }
    throw new Error("the demo did not start");
  }

  /** With nothing in it. */
  static async empty(): Promise<Demo> {
    const folder = mkdtempSync(join(tmpdir(), "farebox-empty-"));
    const db = join(folder, "farebox.db");
    const process = spawn(binary, ["serve", "--addr", "127.0.0.1:0", "--db", db], { stdio: ["ignore", "ignore", "pipe"] });
    for await (const line of createInterface({ input: process.stderr })) {
      const addr = /\baddr"?[=:]"?([\d.]+:\d+)/.exec(line)?.[1];
      if (addr) {
        process.stderr.resume();
        return new Demo(process, `http://${addr}`, db, folder);
      }
    }
    throw new Error("the server did not start");
  }

  /** What signs in, once: as the vendor, or as a customer with an instance. */
  link(instance?: string): string {
    return this.run("console", ...this.whose(instance), "--server", this.url);
  }

  /** A token to ask with, or to paste. */
  token(instance?: string): string {
    return this.run("token", ...this.whose(instance));
  }

  private whose = (instance?: string) => [...(instance ? ["--client", "--instance", instance] : ["--admin"]), "--db", this.db];

  private run = (...words: string[]) => execFileSync(binary, words, { encoding: "utf8" }).trim();

  /** The same at a view. */
  linkTo(path: string, instance?: string): string {
    return this.link(instance).replace("/console/", `/console${path}`);
  }

  /** A request as the vendor, past the console; asked again while the server is busy with questions. */
  async call<T>(method: string, path: string, body?: object, headers?: Record<string, string>): Promise<T> {
    this.admin ||= this.token();
    const asked = { method, headers: { Authorization: `Bearer ${this.admin}`, "Content-Type": "application/json", ...headers }, ...(body ? { body: JSON.stringify(body) } : {}) };
    let response = await fetch(this.url + path, asked);
    while (response.status === 503 && method === "GET") {
      await new Promise((again) => setTimeout(again, 1000));
      response = await fetch(this.url + path, asked);
    }
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** A customer that nobody but the test uses; its instance. */
  async customer(account: string): Promise<string> {
    return (await this.call<{ id: string }>("POST", `${provisioning}/instances`, { accountId: account, shortName: `${account}-main` })).id;
  }

  lineItem(instance: string, activationId: string, quantity: number, attributes: object = {}): Promise<void> {
    const now = Date.now();
    return this.call("PUT", `${provisioning}/instances/${instance}/line-items`, { activationId, quantity, state: "DEPLOYED", start: now - 1000, end: now + 1e10, attributes: { rateTableSeries: "studio", ...attributes } });
  }

  /** One use of an item. */
  charge(instance: string, item: string, count: number): Promise<void> {
    return this.call("POST", `/dynamicmonetization/elastic/api/v1.1/instances/${instance}/access-request`, {
      requester: { type: "USER", value: "ines" }, requestedItems: [{ item, version: "", count }], allowPartial: false, allOrNothing: false,
    }, { "Idempotency-Key": crypto.randomUUID() });
  }

  /** A token of a client, by a private key that the test holds. */
  tokenBy(pem: string, id: string, instance: string): string {
    const file = join(mkdtempSync(join(tmpdir(), "farebox-key-")), "key.pem");
    writeFileSync(file, pem, { mode: 0o600 });
    try {
      return execFileSync(binary, ["token", "--client", "--instance", instance, "--key", file, "--kid", id], { encoding: "utf8" }).trim();
    } finally {
      rmSync(dirname(file), { recursive: true });
    }
  }

  async stop() {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    await ended;
    if (this.folder) rmSync(this.folder, { recursive: true });
  }
}

const provisioning = "/dynamicmonetization/provisioning/api/v1.1";
