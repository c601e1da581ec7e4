import { expect, type Page, test } from "@playwright/test";
import { accessible, settled, shoot } from "./page";
import { Demo } from "./server";

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start();
});
test.afterAll(() => demo.stop());

/** Opens a customer's page, and returns its instance. */
async function open(page: Page, account: string): Promise<string> {
  await page.goto(demo.link().replace("/console/", "/console/customers"));
  await page.getByRole("link", { name: account }).click();
  await page.waitForURL(/customers\/[^/]+$/);
  return page.url().split("/").at(-1) ?? "";
}

test("a customer's charge has a receipt that says all, and a price can be asked for", async ({ page }) => {
  const instance = await demo.customer("receipts");
  await demo.lineItem(instance, "R-1", 100);
  await demo.charge(instance, "mesh.repair", 2);
  await open(page, "receipts");
  await page.getByLabel("Item", { exact: true }).fill("crash.run");
  await page.getByRole("button", { name: "Ask" }).click();
  await expect(page.getByText("would cost 12.5 tokens")).toBeVisible();
  await page.getByRole("button", { name: /^Receipt of mesh/ }).click();
  const dialog = page.getByRole("dialog", { name: "Receipt" });
  await expect(dialog).toContainText("at 0.8 of rate table studio 2026.1");
  await expect(dialog).toContainText("Idempotency key");
  await accessible(page);
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
});

test("a line item burns down, and its forecast has a range", async ({ page }) => {
  await open(page, "harbor");
  const chart = page.getByRole("img", { name: /^harbor-2026 over time: [\d.,]+ of 3,000 tokens are left/ });
  await expect(chart).toBeVisible();
  await expect(chart.locator("polygon.range")).toHaveCount(1);
  await expect(page.getByText(/^Runs out/).locator("..")).toContainText(/\d{4} \(.+\)/);
  await accessible(page);
});

test("usage is grouped by metadata, and the explorer shows the same", async ({ page }) => {
  await open(page, "harbor");
  await page.getByRole("button", { name: "By metadata" }).click();
  const cell = page.getByRole("region", { name: "Usage by group" }).getByRole("cell", { name: "P-1", exact: true });
  await expect(cell).toBeVisible();
  await page.getByRole("link", { name: "Open in the usage explorer" }).click();
  await expect(page.getByRole("img", { name: "Tokens used, by day and project" })).toBeVisible();
  await expect(page.getByRole("button", { name: "P-1", exact: true })).toBeVisible();
});

test("a hold and a lease are there, and end when that is confirmed", async ({ page }) => {
  const instance = await open(page, "orchard");
  const requester = { type: "user", value: "lea" };
  await demo.call("POST", `/farebox/v1/instances/${instance}/holds`, { requester, requestedItems: [{ item: "mesh.repair", version: "", count: 2 }], ttl: 3600 });
  await demo.call("POST", `/farebox/v1/instances/${instance}/leases`, { client: "laptop", requester, tokens: 10, items: [{ item: "mesh.repair" }], ttl: 86400 });
  await page.getByRole("button", { name: /^Release the hold of mesh.repair ×2/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Release" }).click();
  await expect(page.getByText("Nothing is held.")).toBeVisible();
  await page.getByRole("button", { name: "End the lease of laptop" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "End lease" }).click();
  await expect(page.getByText("Nothing is leased.")).toBeVisible();
});

test("rules and limits are set; what the server refuses is said at the field", async ({ page }) => {
  await open(page, "kestrel");
  await page.getByRole("button", { name: "New condition" }).click();
  await page.getByLabel("Name").fill("Designers");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.locator(".entry", { hasText: "Key of the dictionary" }).getByRole("alert")).toBeVisible();
  await page.getByLabel("Key of the dictionary").fill("department");
  await page.getByLabel("Values, one a line").fill("design");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByRole("cell", { name: "department is design" })).toBeVisible();
  await page.getByRole("button", { name: "Access to kestrel-2026" }).click();
  await page.getByRole("button", { name: "Add a rule" }).click();
  await page.getByRole("button", { name: "Save rules" }).click();
  await expect(page.locator(".entry", { hasText: "Allocation in tokens" }).getByRole("alert")).toBeVisible();
  await page.getByLabel("Allocation in tokens").fill("100");
  await page.getByRole("button", { name: "Save rules" }).click();
  await page.getByLabel("Tokens a requester").fill("-4");
  await page.getByRole("button", { name: "Set limit" }).click();
  await expect(page.locator(".entry", { hasText: "Tokens a requester" }).getByRole("alert")).toContainText("more than 0");
  await accessible(page);
  await page.keyboard.press("Escape");
  await expect(page.getByText("Designers may use 100 tokens, 0 used")).toBeVisible();
});

test("an amount of more digits than a number has keeps them", async ({ page }) => {
  await page.route("**/balance", async (route) => {
    const text = await (await route.fetch()).text();
    await route.fulfill({ contentType: "application/json", body: text.replace(/"balance":[\d.]+,"overdraftUsed":0,"overdraftLeft":0,"unlimited/g, '"balance":12345678901234567890.123456789012,"overdraftUsed":0,"overdraftLeft":0,"unlimited') });
  });
  await open(page, "harbor");
  await expect(page.getByTitle("12,345,678,901,234,567,890.123456789012").first()).toBeVisible();
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const [device, viewport] of [["desktop", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]] as const) {
    test(`a customer, ${device}, ${colorScheme} @screenshots`, async ({ browser }) => {
      const context = await browser.newContext({ colorScheme, viewport });
      const page = await context.newPage();
      await open(page, "harbor");
      await settled(page);
      await shoot(page, `customer-burndown-${device}-${colorScheme}`);
      await context.close();
    });
  }
}
