import { expect, type Locator, type Page, test } from "@playwright/test";
import { accessible, fits, settled } from "./page";
import { Demo } from "./server";

// What a customer's page says of tokens, and what a customer may change by themselves.

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start();
});
test.afterAll(() => demo.stop());

type Box = { x: number; y: number; width: number; height: number };
const requester = { type: "user", value: "ann" };
const open = async (page: Page, instance: string, as?: string) => {
  await page.goto(demo.linkTo(`/customers/${instance}`, as));
  await settled(page);
};

test("line items are listed in the order in which a charge draws them", async ({ page }) => {
  const instance = await demo.customer("stacked");
  const some: [string, number, object][] = [["LAST", 50, { priority: 9, overdraftType: "Number", overdraftLimit: 20 }], ["SECOND", 10, { priority: 5 }], ["FIRST", 4, { priority: 1, kind: "FREE" }], ["EMPTY", 1, { priority: 0 }]];
  for (const [name, quantity, attributes] of some) await demo.lineItem(instance, name, quantity, attributes);
  await demo.call("POST", `/farebox/v1/instances/${instance}/line-items/EMPTY/adjustments`, { tokens: 1, reason: "test" });
  await open(page, instance);
  const order = page.getByRole("list", { name: "Order of drawing" }).getByRole("listitem");
  await expect(order).toHaveText(["2. FIRST 4", "3. SECOND 10", "4. LAST 50"]); // the first place has nothing left
  await expect(page.locator(".stack")).toContainText("64 tokens left, then 20 of overdraft");
  const quote = await demo.call<{ requestedItems: { lineItems: { activationId: string }[] }[] }>("POST", `/farebox/v1/instances/${instance}/quote`, { requester, requestedItems: [{ item: "crash.run", version: "", count: 2 }], allowPartial: false, allOrNothing: false });
  expect(quote.requestedItems[0]?.lineItems.map((l) => l.activationId)).toEqual(["FIRST", "SECOND", "LAST"]); // as the server says
  await expect(page.locator(".lineitems h3")).toHaveText([/^1EMPTY/, /^2FIRST/, /^3SECOND/, /^4LAST/]);
});

test("open sessions tell their next charge, in the viewer's zone, with UTC on hover", async ({ browser }) => {
  const instance = await demo.customer("in-session");
  await demo.lineItem(instance, "SEATS", 1000);
  const { sessionId } = await demo.call<{ sessionId: string }>("POST", "/farebox/v1/sessions", { instanceId: instance });
  await demo.call("PUT", `/farebox/v1/sessions/${sessionId}`, { requester, rollbackOnDeny: false, requestedItems: [{ item: "cad.seat", version: "", count: 1 }] });
  const { sessions } = await demo.call<{ sessions: { chargedUntil: number }[] }>("GET", `/farebox/v1/sessions?instanceId=${instance}`);
  const due = sessions[0]?.chargedUntil ?? 0;
  const context = await browser.newContext({ timezoneId: "Asia/Kathmandu", locale: "en-GB" });
  const page = await context.newPage();
  await open(page, instance);
  const row = page.getByRole("region", { name: "Open sessions" }).locator("tbody tr");
  await expect(row).toContainText(/ann.*cad\.seat ×1/);
  await expect(row).toContainText(/in \d+ (min|hr)/);
  const time = row.locator(`time[datetime="${new Date(due).toISOString()}"]`);
  await expect(time).toHaveText(new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "Asia/Kathmandu" }).format(due));
  await expect(time).toHaveAttribute("title", new Date(due).toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC"));
  await context.close();
});

test("sums and counts are exact, and a quote is asked for all digits that were written", async ({ page }) => {
  const instance = await demo.customer("exact");
  await demo.lineItem(instance, "A", 1);
  await demo.lineItem(instance, "B", 1);
  for (const [name, tokens] of [["A", 0.9], ["B", 0.8]] as const) await demo.call("POST", `/farebox/v1/instances/${instance}/line-items/${name}/adjustments`, { tokens, reason: "test" });
  await open(page, instance);
  await expect(page.locator(".stack .big .number")).toHaveAttribute("title", "0.3"); // and not 0.30000000000000004
  const asked = page.waitForRequest("**/quote");
  await page.getByLabel("Item", { exact: true }).fill("crash.run");
  await page.getByLabel("Count").fill("12345678.123456789012");
  await page.getByRole("button", { name: "Ask" }).click();
  expect((await asked).postData()).toContain('"count":12345678.123456789012');
  await page.getByLabel("Count").fill("many");
  await page.getByRole("button", { name: "Ask" }).click();
  await expect(page.getByText("Count: write a number")).toBeVisible();
});

test("a customer sets rules and limits of their own instance, sees no moves of the vendor's, and nothing of others", async ({ page }) => {
  const [own, other] = [await demo.customer("tenant"), await demo.customer("neighbour")];
  await demo.lineItem(own, "OWN-1", 1000);
  await demo.lineItem(other, "OTHER-1", 1000);
  await demo.call("POST", `/farebox/v1/instances/${own}/holds`, { requester, requestedItems: [{ item: "mesh.repair", version: "", count: 2 }], ttl: 3600 });
  await open(page, own, own);
  await expect(page.getByRole("region", { name: "Holds" }).locator("tbody tr")).toHaveCount(1);
  await expect(page.getByRole("button", { name: /Release|Top up|Transfer|Adjust|Change OWN|Sell|New line item/ })).toHaveCount(0);
  await page.getByRole("button", { name: "New condition" }).click();
  await page.getByLabel("Name").fill("Designers");
  await page.getByLabel("Key of the dictionary").fill("department");
  await page.getByLabel("Values, one a line").fill("design");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByRole("cell", { name: "department is design" })).toBeVisible();

  await page.getByRole("button", { name: "Access to OWN-1" }).click();
  const access = page.getByRole("dialog", { name: "Access to OWN-1" });
  await access.getByRole("button", { name: "Add a rule" }).click();
  await access.getByLabel("Allocation in tokens").fill("0.5");
  await access.getByRole("button", { name: "Save rules" }).click();
  const toast = access.locator(".toast", { hasText: "The rules of OWN-1 are set." }); // on top of what is open, where it can be read and pressed
  await expect(toast).toBeVisible();
  await toast.getByRole("button", { name: "Dismiss" }).click();
  await expect(toast).toHaveCount(0);
  await access.getByLabel("Tokens a requester").fill("7.5");
  await access.getByRole("button", { name: "Set limit" }).click();
  await expect(access.getByRole("button", { name: "Remove limit" })).toBeVisible();
  await accessible(page);
  await page.keyboard.press("Escape");
  await expect(page.getByText("Designers may use 0.5 tokens, 0 used")).toBeVisible();
  const limit = await demo.call<{ limit: number }>("GET", `/dynamicmonetization/api/v1.1/instances/${own}/line-items/OWN-1/consumption-limit`);
  expect(limit.limit).toBe(7.5);

  await page.goto(`${demo.url}/console/customers/${other}`);
  await expect(page.getByRole("alert")).toHaveCount(1);
  await settled(page);
  await expect(page.getByText(/neighbour|OTHER-1/)).toHaveCount(0);
  for (const path of ["/customers", "/usage?groupBy=accountId"]) {
    await page.goto(`${demo.url}/console${path}`);
    await settled(page);
    await expect(page.getByText(/neighbour|nordwind/)).toHaveCount(0);
  }
});

test("on a phone a row is a block: what can be done with it stands beside its title, and the rest below", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const instance = await demo.customer("blocks");
  await demo.lineItem(instance, "BLOCKS-1", 100);
  await demo.charge(instance, "crash.run", 2);
  await open(page, instance);
  const row = page.getByRole("region", { name: "Recent events" }).locator("tbody tr");
  const box = async (locator: Locator): Promise<Box> => (await locator.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
  await expect(row).toHaveCount(1);
  const [title, action, item, tokens] = [await box(row.locator("td").first().locator("time")), await box(row.getByRole("button", { name: /^Receipt/ })), await box(row.getByText("crash.run")), await box(row.getByText("25", { exact: true }).first())];
  expect(title.x + title.width).toBeLessThanOrEqual(action.x);
  expect(Math.max(title.y, action.y)).toBeLessThan(Math.min(title.y + title.height, action.y + action.height));
  expect(action.y + action.height).toBeLessThanOrEqual(item.y);
  expect(item.y).toBeLessThan(tokens.y);
  await accessible(page);
  await fits(page);
});

test("a table on a phone is sorted by what is chosen above it", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const instance = await demo.customer("narrow");
  for (const [name, quantity] of [["B-30", 30], ["A-20", 20], ["C-10", 10]] as const) await demo.lineItem(instance, name, quantity);
  await open(page, instance);
  await page.getByRole("button", { name: "Table", exact: true }).click();
  const names = page.getByRole("region", { name: "Line items" }).locator("tbody tr td:first-child");
  const card = page.locator("section.card", { has: page.getByRole("heading", { name: "Line items", exact: true }) });
  await card.getByLabel("Sorted by").selectOption("Tokens left");
  await expect(names).toHaveText([/C-10/, /A-20/, /B-30/]);
  await card.getByRole("button", { name: /ascending/ }).click();
  await expect(names).toHaveText([/B-30/, /A-20/, /C-10/]);
  await card.getByLabel("Sorted by").selectOption("Line item");
  await expect(names).toHaveText([/C-10/, /B-30/, /A-20/]);
  await accessible(page);
  await fits(page);
});
