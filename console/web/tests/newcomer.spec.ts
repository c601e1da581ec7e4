import { expect, type Locator, type Page, test } from "@playwright/test";
import { accessible, settled } from "./page";
import { Demo } from "./server";

// The way of docs/CONSOLE.md, by what is seen; whatever a page answers, the API is asked for, too.

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start();
});
test.afterAll(() => demo.stop());

const number = (n: number) => new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 }).format(n);
const percent = (n: number) => new Intl.NumberFormat("en-US", { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" }).format(n);
const day = (date: string) => new Intl.DateTimeFormat("en-US", { dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${date}T12:00:00Z`));
const lasts = (days: number) => `${new Intl.NumberFormat("en-US", { maximumFractionDigits: days < 10 ? 1 : 0 }).format(days)} days`;
const region = (page: Page, name: string) => page.getByRole("region", { name, exact: true });
const card = (page: Page, name: string) => page.locator("section", { has: page.getByRole("heading", { level: 2, name, exact: true }) });
const cells = async (row: Locator) => (await row.getByRole("cell").allTextContents()).map((t) => t.trim());

type Standing = { accountId: string; instanceId: string; balance: number; overdraftUsed: number; daysLeft: number; runsOut?: { likely?: string; earliest: string } };
type Usage = { rows: { by: Record<string, string>; tokens: number }[]; total: { tokens: number } };
type Item = { name: string; version: string; rate: number };
type Simulation = { oldTokens: number; newTokens: number; charges: number; refused: number; items: { accountId: string; oldTokens: number; newTokens: number }[] };

/** Asks the API, past the console. */
const asked = <T>(path: string, body?: object): Promise<T> => demo.call(body ? "POST" : "GET", path, body);

const sum = (all: readonly number[]) => all.reduce((n, t) => n + t, 0);
const live = ["acme", "nordwind", "lumen"]; // use tokens meanwhile, and buy more as soon as they are out

test("a newcomer finds who runs out first, why, and what a quarter more for one item would have changed", async ({ page }) => {
  await page.goto(demo.link());

  // Who runs out first?
  const customers = region(page, "Customers").locator("tbody tr");
  await expect(customers).toHaveCount(7);
  const standings = (await asked<{ instances: Standing[] }>("/farebox/v1/instances?forecast=true&sort=daysLeft")).instances.filter((s) => !live.includes(s.accountId));
  const shown = (await Promise.all((await customers.all()).map(cells))).map(([account, left, , lasts, runsOut]) => [account?.split(" ")[0] ?? "", left, lasts, runsOut?.replace(" as it ends", "")]).filter(([account]) => !live.includes(account ?? ""));
  expect(shown).toEqual(standings.map((s) => s.balance <= 0 ? [s.accountId, number(s.balance), "–", "has run out"] : [s.accountId, number(s.balance), lasts(s.daysLeft), day(s.runsOut?.likely ?? s.runsOut?.earliest ?? "")]));
  const first = standings.find((s) => s.balance > 0);
  if (!first) throw new Error("all have run out");
  expect(shown.find(([, , , runsOut]) => runsOut !== "has run out")?.[0]).toBe(first.accountId);
  await page.getByRole("link", { name: first.accountId, exact: true }).click();

  // Why? What is left, how fast it goes, and to what and whom.
  await expect(page.getByRole("heading", { level: 1, name: first.accountId })).toBeVisible();
  await settled(page);
  const bought = card(page, "Line items");
  await expect(bought.getByText(`${number(first.balance)} tokens left`)).toBeVisible();
  await expect(bought.getByText(/^Runs out/).locator("..")).toContainText(day(first.runsOut?.likely ?? ""));
  const used = (by: string) => asked<Usage>(`/farebox/v1/usage?from=${Date.now() - 30 * 86_400_000}&instanceId=${first.instanceId}&groupBy=${by}`);
  const table = card(page, "Usage").getByRole("table");
  for (const [choice, by] of [["By item", "item"], ["By requester", "requester"], ["By metadata", "metadata.project"]] as const) {
    await page.getByRole("button", { name: choice }).click();
    const { rows, total } = await used(by);
    const most = rows.toSorted((a, b) => b.tokens - a.tokens);
    await expect(table.locator("tbody tr")).toHaveCount(most.length);
    const [name, tokens, share] = await cells(table.locator("tbody tr").first());
    expect(name).toContain(most[0]?.by[by] ?? "nothing");
    expect(tokens).toBe(number(most[0]?.tokens ?? 0));
    expect(share?.replace(/\s/g, "")).toBe(percent((most[0]?.tokens ?? 0) / total.tokens).replace("+", "").replace(/\s/g, ""));
  }
  await accessible(page);

  // What would a quarter more for one item have changed? An event leads to the prices that it was charged by.
  await region(page, "Recent events").getByRole("link", { name: "render 2026.1" }).first().click();
  await expect(page.getByRole("heading", { level: 1, name: "Rate tables" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Items of 2026.1" })).toBeVisible();
  await page.getByRole("button", { name: "Draft a version" }).click();
  const price = page.getByLabel("Price of render.frame 4k", { exact: true });
  await price.fill("+25%");
  await price.press("Enter");
  await expect(price).toHaveValue("2.1875");
  await page.getByRole("button", { name: "Simulate" }).click();
  await expect(page.getByText("Would have charged", { exact: true })).toBeVisible();

  const { items } = await asked<{ items: Item[] }>("/farebox/v1/rate-tables/items?series=render&version=2026.1");
  expect(items.find((i) => i.version === "4k")?.rate).toBe(1.75);
  const table25 = { series: "render", version: "dearer", effectiveFrom: Date.now(), items: items.map((i) => (i.name === "render.frame" && i.version === "4k" ? { ...i, rate: 2.1875 } : i)) };
  const would = await asked<Simulation>("/farebox/v1/rate-tables/simulate", { table: table25 });
  expect(would.newTokens).toBeGreaterThan(would.oldTokens);
  const outcome = page.getByText("Would have charged", { exact: true }).locator("..");
  await expect(outcome).toHaveText(`Would have charged${number(would.newTokens)} instead of ${number(would.oldTokens)}, ${percent((would.newTokens - would.oldTokens) / would.oldTokens)}`);
  const theirs = would.items.filter((i) => i.accountId === first.accountId);
  const [was, next] = [sum(theirs.map((i) => i.oldTokens)), sum(theirs.map((i) => i.newTokens))];
  await expect(region(page, "Who pays more, and who less").getByRole("row", { name: first.accountId })).toHaveText(new RegExp(`${first.accountId}${number(was)}${number(next)}\\+${number(next - was)}`.replaceAll(".", "\\.")));
  await accessible(page);

  // Nothing was changed by asking.
  expect((await asked<{ tables: { series: string }[] }>("/farebox/v1/rate-tables")).tables.filter((t) => t.series === "render")).toHaveLength(1);
});
