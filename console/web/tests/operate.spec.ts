import { expect, type Page, test } from "@playwright/test";
import { accessible, fits, settled, shoot, shootDialog, uncut } from "./page";
import { Demo } from "./server";

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start();
});
test.afterAll(() => demo.stop());

const dialogOf = (page: Page, name: string | RegExp) => page.getByRole("dialog", { name });
const region = (page: Page, name: string) => page.getByRole("region", { name, exact: true });

async function open(page: Page) {
  await page.goto(demo.link());
  await page.getByRole("link", { name: "Operate" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Operate" })).toBeVisible();
  await settled(page);
}

/** What the server is answered as, in place of the server. */
const pretend = (page: Page, path: string, answer: object, status = 200) => page.route(`**${path}`, (r) => r.fulfill({ status, json: answer }));

test("the books are verified on demand, and what came of it is read", async ({ page }) => {
  await open(page);
  await expect(page.getByText("takes requests")).toBeVisible();
  await expect(page.getByText("Nothing was checked since this server started")).toBeVisible();
  await page.getByRole("button", { name: "Verify now" }).click();
  await expect(page.getByText("All balances agree")).toBeVisible();
  await expect(page.locator("div", { has: page.getByText("Receipts read") }).last()).not.toContainText(/read0$/);
  await accessible(page);
});

test("books that differ, a check that runs, and one that was broken off are told apart", async ({ page }) => {
  await open(page);
  const counts = { lineItems: 10_000, sessions: 12, holds: 3, leases: 0, receipts: 2_220_174, events: 10_000_000, used: 51_234_567.5 };
  await pretend(page, "/farebox/v1/verify", { state: "RUNNING", started: Date.now() - 42_000 });
  await expect(page.getByText(/Rebuilding all balances from the record, for \d+ s so far/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Checking…" })).toBeDisabled();
  await accessible(page);
  await page.unroute("**/farebox/v1/verify");
  await pretend(page, "/farebox/v1/verify", { state: "DIFFERS", started: 1, ended: 21_001, ...counts, differences: Array.from({ length: 100 }, (_, i) => `line item L${i} has used 5, its events say 4`), more: 900 });
  await expect(page.getByText("1000 things differ")).toBeVisible();
  await expect(page.getByText("line item L99 has used 5, its events say 4")).toBeAttached();
  await accessible(page);
  await page.unroute("**/farebox/v1/verify");
  await pretend(page, "/farebox/v1/verify", { state: "BROKEN_OFF", started: 1, ended: 900_001, reason: "it took more than 15 minutes" });
  await expect(page.getByRole("alert")).toContainText("broken off after 15 minutes: it took more than 15 minutes");
});

test("a server says since when it runs, which version it is and on which database, and its cards stand level", async ({ page }) => {
  await open(page);
  const fact = (name: string) => page.locator("dl.facts > div", { has: page.getByText(name, { exact: true }) }).locator("dd");
  const s = await demo.call<{ started: number; version: string; database: string }>("GET", "/farebox/v1/service");
  await expect(fact("Version")).toHaveText(s.version);
  await expect(fact("Database")).toHaveText(`SQLite ${s.database}`);
  await expect(fact("Runs since").locator("time")).toHaveAttribute("datetime", new Date(s.started).toISOString());
  const boxes = await page.locator(".pair > .card").evaluateAll((all) => all.map((c) => [c.getBoundingClientRect().height, c.querySelector("h2")?.getBoundingClientRect().top]));
  expect(boxes[0]).toEqual(boxes[1]);
});

test("a server that takes no requests says why, and who lags behind is marked", async ({ page }) => {
  await pretend(page, "/farebox/v1/service", { time: 10_000_000, ready: false, reason: "the server is stopping", streams: 0, followers: [{ name: "alerts" }, { name: "fold", since: 9_400_000 }, { name: "top-ups" }] });
  await open(page);
  await expect(page.getByRole("alert")).toContainText("the server is stopping");
  await expect(page.getByText("10 minutes behind")).toHaveClass("warn");
  for (const purpose of ["Alerts and webhooks", "Usage and reports", "Automatic top-ups"]) await expect(page.getByText(purpose, { exact: true })).toBeVisible();
  await page.unroute("**/farebox/v1/service");
  await pretend(page, "/farebox/v1/service", { title: "x", status: 503, detail: "the database does not answer" }, 500);
  const failed = page.getByRole("alert").filter({ hasText: "the database does not answer" });
  await expect(failed).toContainText("What is shown is as of"); // it is asked every few seconds
  await expect(page.getByRole("button", { name: "Try again" })).toBeVisible();
});

test("a key pair is made in the browser, its private half shown once, and its tokens accepted until it is deleted; by keyboard", async ({ page }) => {
  const sent: string[] = [];
  page.on("request", (r) => sent.push(r.postData() ?? ""));
  await open(page);
  await page.getByRole("button", { name: "Add a key" }).press("Enter");
  await page.keyboard.type("robot");
  await page.keyboard.press("Enter");
  const dialog = dialogOf(page, "Add a key");
  await expect(dialog.getByRole("cell", { name: "a new pair's public half" })).toBeVisible();
  await accessible(page);
  await dialog.getByRole("button", { name: "Add the key" }).press("Enter");
  const secret = dialogOf(page, "The private key of robot");
  const pem = await secret.locator("pre").textContent() ?? "";
  expect(pem).toContain("BEGIN PRIVATE KEY");
  await page.keyboard.press("Escape");
  await expect(secret).toBeVisible();
  await accessible(page);
  await secret.getByRole("button", { name: "I have kept it" }).click();
  await expect(secret).toHaveCount(0);
  expect(await page.content()).not.toContain("BEGIN PRIVATE KEY");
  expect(sent.join("\n")).not.toContain("PRIVATE KEY");
  const asks = async () => (await page.request.get(`${demo.url}/farebox/v1/instances`, { headers: { Authorization: `Bearer ${demo.tokenBy(pem, "robot", "0197d2c4-0000-7000-8000-000000000000")}` } })).status();
  expect(await asks()).toBe(200);
  await page.getByRole("button", { name: "Delete the client key robot" }).click();
  await dialogOf(page, "Delete robot?").getByRole("button", { name: "Delete the key" }).click();
  await expect(page.getByRole("cell", { name: "robot" })).toHaveCount(0);
  expect(await asks()).toBe(401);
});

test("on a phone it is read whole where a key comes from", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await open(page);
  await page.getByRole("button", { name: "Add a key" }).click();
  await expect(page.getByLabel("Where it comes from")).toBeVisible();
  await uncut(page);
  await fits(page);
});

test("a pasted key that is none, or is private, is refused beside its field", async ({ page }) => {
  await open(page);
  await page.getByRole("button", { name: "Add a key" }).click();
  const dialog = dialogOf(page, "Add a key");
  await dialog.getByLabel("Name").fill("pasted");
  await dialog.getByLabel("Where it comes from").selectOption("paste");
  await dialog.getByRole("textbox", { name: "Public key" }).fill("nonsense");
  await dialog.getByRole("button", { name: "Review" }).click();
  await dialog.getByRole("button", { name: "Add the key" }).click();
  await expect(dialog.getByRole("alert")).toContainText("PEM");
  await accessible(page);
});

test("a webhook is added, its secret shown once, tested, given a new secret, paused and deleted", async ({ page }) => {
  await open(page);
  await expect(page.getByText("Nothing is sent anywhere")).toBeVisible();
  await page.getByRole("button", { name: "Add a webhook" }).click();
  const add = dialogOf(page, "Add a webhook");
  await add.getByLabel("Goes to").fill("http://127.0.0.1:1/x");
  await add.getByRole("button", { name: "Review" }).click();
  await add.getByRole("button", { name: "Add the webhook" }).click();
  await expect(add.getByRole("alert")).toContainText(/https/);
  await add.getByLabel("Goes to").fill("https://receiver.invalid/farebox");
  await add.getByLabel("an alert is over").uncheck();
  await add.getByRole("button", { name: "Review" }).click();
  await expect(add.getByRole("cell", { name: "an alert fires; a line item is to be topped up" })).toBeVisible();
  await add.getByRole("button", { name: "Add the webhook" }).click();
  const secret = dialogOf(page, "The secret of the webhook");
  const first = await secret.locator("pre").textContent() ?? "";
  expect(first).toMatch(/^whsec_/);
  await secret.getByRole("button", { name: "I have kept it" }).click();
  await page.getByRole("link", { name: "https://receiver.invalid/farebox" }).click();
  await expect(page.getByRole("heading", { name: "Deliveries" })).toBeVisible();
  await accessible(page);
  await page.getByRole("button", { name: "Send a test event" }).click();
  await expect(page.getByText("not taken")).toBeVisible();
  await page.getByRole("button", { name: "New secret" }).click();
  await dialogOf(page, "Make a new secret?").getByRole("button", { name: "Make a new secret" }).click();
  await expect(secret.locator("pre")).toHaveText(/^whsec_/);
  expect(await secret.locator("pre").textContent()).not.toBe(first);
  await secret.getByRole("button", { name: "I have kept it" }).click();
  await expect(page.getByText("signs too until")).toBeVisible();
  await page.getByRole("button", { name: "Change", exact: true }).click();
  const change = dialogOf(page, "Change the webhook");
  await change.getByLabel(/disabled/).check();
  await change.getByRole("button", { name: "Review" }).click();
  await change.getByRole("button", { name: "Change the webhook" }).click();
  await expect(page.locator(".badge", { hasText: "disabled" })).toBeVisible();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await dialogOf(page, "Delete the webhook?").getByRole("button", { name: "Delete the webhook" }).click();
  await expect(page.getByText("Nothing is sent anywhere")).toBeVisible();
});

const hook = { id: "w", url: "https://example.com/farebox", description: "To the sales team", types: [], disabled: false, failing: 1767225600000, created: 1767225600000, modified: 1767225600000 };
const delivery = (i: number) => ({ id: `d${i}`, messageId: `msg_d${i}`, type: "alert.fired", state: i % 7 === 0 ? "FAILED" : i % 5 === 0 ? "PENDING" : "DELIVERED", created: 1767225600000 - i * 1000, attempts: 1 + i % 7, ...(i % 5 === 0 ? { due: Date.now() + 90_000 } : {}), ...(i % 7 === 0 ? {} : { status: 204 }) });

/** A webhook with so many deliveries, which the server pages. */
async function hookWith(page: Page, many: number) {
  await pretend(page, "/farebox/v1/webhooks", { webhooks: [hook] });
  await pretend(page, "/farebox/v1/webhooks/w", hook);
  await page.route("**/farebox/v1/webhooks/w/deliveries?*", (r) => {
    const query = new URL(r.request().url()).searchParams;
    const [from, limit] = [Number(query.get("next") ?? 0), Number(query.get("limit"))];
    return r.fulfill({ json: { deliveries: Array.from({ length: Math.min(limit, many - from) }, (_, i) => delivery(from + i)), ...(from + limit < many ? { next: from + limit } : {}) } });
  });
  await pretend(page, "/farebox/v1/webhooks/w/deliveries/d0", {
    delivery: delivery(0), body: { type: "alert.fired", timestamp: "2026-01-01T00:00:00Z", data: { alert: "low-balance", accountId: "ACME" } },
    attempts: [{ time: 1767225600000, status: 0, duration: 5000, error: "no answer came in time" }, { time: 1767225605000, status: 503, duration: 12, answer: "<b>try later</b>" }],
  });
}

test("ten thousand deliveries are paged; one is read with its attempts, and sent again", async ({ page }) => {
  await hookWith(page, 10_000);
  await open(page);
  await expect(page.getByText("failing")).toBeVisible();
  await page.getByRole("link", { name: hook.url }).click();
  const rows = region(page, "Deliveries").locator("tbody tr");
  await expect(rows).toHaveCount(20);
  await page.getByRole("button", { name: "Older" }).click();
  await expect(page.getByRole("button", { name: "Details of msg_d20" })).toBeVisible();
  await page.getByRole("button", { name: "Newer" }).click();
  await page.getByRole("button", { name: "Details of msg_d0" }).click();
  const details = dialogOf(page, "alert.fired");
  await expect(details.getByText("no answer came in time")).toBeVisible();
  await expect(details.getByText("<b>try later</b>")).toBeVisible();
  await accessible(page);
  await page.keyboard.press("Escape");
  const sent = page.waitForRequest((r) => r.method() === "POST" && r.url().endsWith("/deliveries/d0/replay"));
  await pretend(page, "/farebox/v1/webhooks/w/deliveries/d0/replay", { delivery: delivery(0), attempts: [], body: {} });
  await page.getByRole("button", { name: "Send msg_d0 again" }).click();
  await dialogOf(page, "Send it again?").getByRole("button", { name: "Send it again" }).click();
  expect((await sent).headers()["idempotency-key"]).not.toBe(undefined);
  await expect(page.getByText("It is sent again.")).toBeVisible();
});

test("the configuration is changed, and what the server refuses is said at the value", async ({ page }) => {
  await open(page);
  await page.getByRole("button", { name: "Change session.charge.period" }).click();
  const dialog = dialogOf(page, "Change session.charge.period");
  await dialog.getByRole("textbox").fill("PT1M");
  await dialog.getByRole("button", { name: "Review" }).click();
  await dialog.getByRole("button", { name: "Change it" }).click();
  await expect(dialog.getByRole("alert")).toContainText("from PT10M to PT24H");
  await dialog.getByRole("textbox").fill("PT2H");
  await dialog.getByRole("button", { name: "Review" }).click();
  await accessible(page);
  await dialog.getByRole("button", { name: "Change it" }).click();
  await expect(region(page, "Configuration").getByText("PT2H")).toBeVisible();
});

test("a customer is not offered to operate, is told why at its address, and lands on the balances", async ({ page }) => {
  await page.goto(demo.link(await demo.customer("no-operator")));
  await expect(page.getByRole("heading", { level: 1, name: "Customers" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Operate" })).toHaveCount(0);
  for (const path of ["/operate", "/operate/webhooks/x", "/packs"]) {
    await page.goto(`${demo.url}/console${path}`);
    await expect(page.getByText("You are signed in as a customer")).toBeVisible();
  }
  await accessible(page);
  await page.goto(`${demo.url}/console/nowhere`);
  await expect(page.getByText("There is nothing at this address")).toBeVisible();
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const [device, viewport] of [["desktop", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]] as const) {
    test(`operate ${device}, ${colorScheme} @screenshots`, async ({ browser }) => {
      const context = await browser.newContext({ colorScheme, viewport });
      const page = await context.newPage();
      const name = (what: string) => `${what}-${device}-${colorScheme}`;
      await hookWith(page, 120);
      await open(page);
      await page.getByRole("button", { name: "Verify now" }).click();
      await expect(page.getByText("All balances agree")).toBeVisible();
      await shoot(page, name("operate"));
      await page.getByRole("button", { name: "Add a key" }).click();
      await shootDialog(page, name("operate-key"));
      await page.keyboard.press("Escape");
      await page.getByRole("link", { name: hook.url }).click();
      await settled(page);
      await shoot(page, name("webhook"));
      await page.getByRole("button", { name: "Details of msg_d0" }).click();
      await shootDialog(page, name("delivery"));
      await context.close();
    });
  }
}
