import { type Browser, chromium, test } from "@playwright/test";
import { Demo } from "./server";

// How soon somebody who follows the link sees the overview. Not part of the usual tests: it judges nothing, and prints what it measured.

const rounds = 7;
const patience = 30_000;

type Seen = { paint: number; numbers: number; longTasks: number; longest: number; processor: number; script: number; kilobytes: number };

/** Runs in the page before anything else: notes when the figures and the customers are there, and what kept the page busy. */
function watch(patience: number) {
  const seen = { numbers: 0, longTasks: 0, longest: 0 };
  let tell = () => {};
  const there = new Promise<void>((resolve, reject) => ((tell = resolve), setTimeout(() => reject(new Error("the numbers did not come")), patience)));
  Object.assign(globalThis, { seen, there });
  new PerformanceObserver((list) => list.getEntries().forEach((e) => ((seen.longTasks += e.duration), (seen.longest = Math.max(seen.longest, e.duration))))).observe({ type: "longtask", buffered: true });
  const look = () => {
    if (seen.numbers > 0 || document.querySelector(".loading") || document.querySelectorAll(".figure .number").length < 3 || !document.querySelector("table tbody .number")) return;
    seen.numbers = performance.now();
    requestAnimationFrame(() => setTimeout(tell)); // once that is painted
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
}

/** Opens the link in a browser that was just started, and so has nothing in its cache. */
async function open(browser: Browser, link: string): Promise<Seen> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(patience);
  await page.addInitScript(watch, patience);
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" }); // processor time, whoever else is at work
  await page.goto(link, { timeout: patience });
  await page.evaluate(() => (globalThis as unknown as { there: Promise<void> }).there);
  const { metrics } = await session.send("Performance.getMetrics");
  const metric = (name: string) => (metrics.find((m) => m.name === name)?.value ?? 0) * 1000;
  const here = await page.evaluate(() => ({
    ...(globalThis as unknown as { seen: { numbers: number; longTasks: number; longest: number } }).seen,
    paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
    // The server compresses, so that this is what came over the wire: page, scripts, styles and answers.
    kilobytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].reduce((n, e) => n + (e as PerformanceResourceTiming).transferSize, 0) / 1000,
  }));
  return { ...here, processor: metric("TaskDuration"), script: metric("ScriptDuration") };
}

const rows: [keyof Seen, string][] = [
  ["paint", "first contentful paint, ms"], ["numbers", "all numbers are there, ms"], ["processor", "processor time of the page until then, ms"], ["script", "of that, scripts, ms"],
  ["longTasks", "tasks of 50 ms and more until then, ms"], ["longest", "the longest of them, ms"], ["kilobytes", "kB received"],
];

test("the overview's first paint, cold @paint", async () => {
  test.setTimeout(rounds * 2 * patience);
  const demo = await Demo.start();
  const all: Seen[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"], timeout: patience });
      try {
        all.push(await open(browser, demo.link()));
      } finally {
        await browser.close();
      }
    }
  } finally {
    await demo.stop();
  }
  const line = (name: string, ...values: string[]) => `| ${name.padEnd(42)} | ${values.map((v) => v.padStart(7)).join(" | ")} |`;
  const table = rows.map(([key, name]) => {
    const values = all.map((s) => s[key]).sort((a, b) => a - b);
    return line(name, ...[values[0], values[values.length >> 1], values.at(-1)].map((v) => String(Math.round(v ?? 0))));
  });
  console.log(["", line(`the overview of the demo, cold, ${rounds} times`, "least", "median", "most"), `| ${"-".repeat(42)} | ------: | ------: | ------: |`, ...table, ""].join("\n"));
});
