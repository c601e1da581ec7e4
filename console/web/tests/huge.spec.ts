import { expect, type Page, test } from "@playwright/test";
import { fits } from "./page";
import { Demo } from "./server";

// Views with more in them than anybody looks at: they stay quick, and everything is found. Tables of 100,000 items are in rates.spec.ts.

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.empty();
});
test.afterAll(() => demo.stop());

/** Does something for 0 to n - 1, some at a time. */
async function each(n: number, make: (i: number) => Promise<unknown>) {
  let next = 0;
  await Promise.all(Array.from({ length: 32 }, async () => {
    while (next < n) await make(next++);
  }));
}

const rows = (page: Page, label: string) => page.getByRole("region", { name: label, exact: true }).locator("tbody tr");

test("ten thousand line items of a customer: a few are drawn, all are found, sorted and added up", async ({ page }) => {
  const many = 10_000;
  const instance = await demo.customer("heap");
  await each(many, (i) => demo.lineItem(instance, `PO-${i}`, i + 1, { rateTableSeries: "" }));
  await page.goto(demo.linkTo(`/customers/${instance}`));
  await expect(page.locator(".stack")).toContainText("50,005,000 tokens left");
  await expect(page.locator(".stack")).toContainText("and 9,992 more");
  await expect(page.locator(".lineitems > li")).toHaveCount(6);
  await expect(page.getByText("1–6 of 10,000")).toBeVisible();
  await page.getByRole("button", { name: "Table", exact: true }).click();
  await page.getByRole("button", { name: "Tokens left" }).click();
  await page.getByRole("button", { name: "Tokens left" }).click();
  await expect(rows(page, "Line items")).toHaveCount(50);
  await expect(rows(page, "Line items").first()).toContainText("PO-9999");
  await fits(page);
  expect(await page.evaluate(() => document.querySelectorAll("*").length)).toBeLessThan(5_000); // what a browser lays out at once
});

test("hundreds of customers are found and paged by the server", async ({ page }) => {
  await each(300, (i) => demo.customer(`account-${i}`));
  await page.goto(demo.linkTo("/customers?sort=name"));
  await expect(rows(page, "Customers")).toHaveCount(25);
  await page.getByRole("button", { name: "Next" }).click();
  await expect(page.getByText(/^26–50 of 30\d$/)).toBeVisible();
  await page.getByRole("searchbox").fill("account-299");
  await expect(rows(page, "Customers")).toHaveCount(1);
  await expect(rows(page, "Customers")).toContainText("account-299");
});

test("ten thousand open sessions, holds and leases are paged", async ({ page }) => {
  const instance = await demo.customer("busy");
  const soon = Date.now() + 3_600_000;
  const list = (name: string, one: (i: number) => object) => page.route(`**/farebox/v1/${name}?*`, (route) => {
    const query = new URL(route.request().url()).searchParams;
    const [from, limit] = [parseInt(query.get("cursor") ?? "0"), parseInt(query.get("limit") ?? "100")];
    return route.fulfill({ json: { [name]: Array.from({ length: Math.min(limit, 10_000 - from) }, (_, i) => one(from + i)), ...(from + limit < 10_000 ? { next: String(from + limit) } : {}) } });
  });
  const requester = { type: "user", value: "ann" };
  await list("sessions", (i) => ({ sessionId: `s${i}`, instanceId: instance, state: "ACTIVE", created: soon, requester: { ...requester, value: `user-${i}` }, items: [{ item: "render", version: "", count: 0.123456 }], tokensCharged: i, chargedUntil: soon }));
  await list("holds", (i) => ({ holdId: `h${i}`, instanceId: instance, state: "LIVE", requester, items: [{ item: `held-${i}`, version: "", count: 1 }], tokensHeld: i, tokensSettled: 0, expires: soon }));
  await list("leases", (i) => ({ leaseId: `l${i}`, instanceId: instance, client: `laptop-${i}`, requester, items: [{ item: "render", version: "" }], tokens: i, tokensUsed: 0, tokensHeld: i, expires: soon }));
  await page.goto(demo.linkTo(`/customers/${instance}`));
  for (const [label, pages, second] of [["Open sessions", "open sessions", "user-20"], ["Holds", "holds", "held-20"], ["Leases", "leases", "laptop-20"]] as const) {
    await expect(rows(page, label)).toHaveCount(20);
    await page.getByRole("navigation", { name: `Pages of ${pages}` }).getByRole("button", { name: "Older" }).click();
    await expect(rows(page, label).first()).toContainText(second);
  }
  await expect(rows(page, "Open sessions").first().getByTitle("0.123456")).toHaveText("0.12"); // all digits on hover
  await fits(page);
});
