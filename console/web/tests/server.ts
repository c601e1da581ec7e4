import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

const binary = process.env["FAREBOX_BINARY"] ?? new URL("../../../bin/farebox", import.meta.url).pathname;

/** The demo of the real binary, on a port of its own. */
export class Demo {
  private constructor(private process: ChildProcess, readonly url: string, private db: string) {}

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
  }
}
