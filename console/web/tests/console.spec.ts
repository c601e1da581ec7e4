import { expect, test } from "@playwright/test";
import { accessible, complaintsOf, fits, settled } from "./page";
import { Demo } from "./server";

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start();
});
test.afterAll(() => demo.stop());

test("a link signs in, is gone from the address, and the overview shows the demo", async ({ page }) => {
  const strangers: string[] = [];
  const complaints = complaintsOf(page);
  page.on("request", (r) => r.url().startsWith(demo.url) || strangers.push(r.url()));
  await page.goto(demo.link());
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  expect(page.url()).toBe(`${demo.url}/console/`);
  await expect(page.getByRole("link", { name: "acme" })).toBeVisible();
  await expect(page.getByRole("img", { name: "Tokens used, by day and item" })).toBeVisible();
  await settled(page);
  await accessible(page);
  expect(strangers).toEqual([]);
  expect(complaints).toEqual([]);
});

test("a link signs in once, and nobody but who opened it", async ({ page, browser }) => {
  const link = demo.link();
  await page.goto(link);
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  expect(await page.evaluate(() => JSON.stringify([location.href, history.length, performance.getEntriesByType("resource").map((r) => r.name)]))).not.toContain(link.split("#link=")[1] ?? "");
  await page.reload(); // one stays signed in
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();

  const other = await (await browser.newContext()).newPage();
  await other.goto(link);
  await expect(other.getByRole("alert")).toContainText("The link was opened before, and signs in once; farebox console prints another.");
  expect(other.url()).toBe(`${demo.url}/console/`);
  await accessible(other);
  await other.getByLabel("Token").fill(link.split("#link=")[1] ?? "");
  await other.getByRole("button", { name: "Sign in" }).click();
  await expect(other.getByRole("alert")).toContainText("open the link in a browser");
});

test("a link is opened again where the server did not answer", async ({ page }) => {
  await page.route("**/farebox/v1/sign-in", (r) => r.abort(), { times: 1 });
  await page.goto(demo.link());
  await expect(page.getByRole("alert")).toContainText("The server cannot be reached.");
  await accessible(page);
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
});

test("a pasted token signs in; what is no token, and what the server refuses, is said", async ({ page }) => {
  await page.goto(`${demo.url}/console/customers`);
  const field = page.getByLabel("Token");
  await accessible(page);
  await field.fill("nonsense");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toContainText("This is no token");
  const token = demo.token();
  await field.fill(token.slice(0, -8) + "AAAAAAAA");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toContainText("not signed by a registered key");
  await field.fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Customers" })).toBeVisible();
});

test("a customer is found by keyboard and link, and its address can be opened again", async ({ page }) => {
  await page.goto(demo.link());
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog")).toBeVisible();
  await accessible(page);
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await page.getByRole("link", { name: "nordwind" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "nordwind" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("heading", { name: /NORD-2026/ }).first()).toBeVisible();
  await settled(page);
  await accessible(page);
});

test("customers are found, put in order, and the address keeps both; what ends soon is said", async ({ page }) => {
  await page.goto(demo.link());
  await expect(page.getByRole("region", { name: "Line items that end soon" }).getByRole("link").first()).toBeVisible();
  const rows = page.getByRole("region", { name: "Customers" }).locator("tbody tr");
  await expect(rows.filter({ hasText: "quarry" })).toHaveCount(1); // which has nothing left, as others may at times
  await page.getByRole("link", { name: "Customers", exact: true }).click();
  await page.getByRole("button", { name: "Name" }).click();
  await expect(rows.first()).toContainText("acme");
  await page.getByRole("searchbox", { name: "Search customers" }).fill("ORCH");
  await expect(rows).toHaveCount(1);
  await page.reload();
  await expect(rows).toHaveCount(1);
  await expect(rows.first()).toContainText("orchard");
  await page.getByRole("searchbox", { name: "Search customers" }).fill("nobody");
  await expect(page.getByText("No customer has “nobody”")).toBeVisible();
});

test("every view fits 320 pixels", async ({ page }) => {
  await page.setViewportSize({ width: 320, height: 640 });
  await page.goto(demo.link());
  await expect(page.getByRole("link", { name: "acme" })).toBeVisible(); // signed in, which going elsewhere would break off
  for (const path of ["/", "/customers", "/usage?groupBy=requester", "/packs", "/rate-tables", "/operate"]) {
    await page.goto(`${demo.url}/console${path}`);
    await settled(page);
    await fits(page);
  }
  await page.goto(`${demo.url}/console/customers`);
  await page.getByRole("link", { name: "acme" }).click();
  await expect(page.getByRole("region", { name: "Recent events" })).toBeVisible();
  await settled(page);
  await fits(page);
});

test("a customer's token shows that customer alone", async ({ page }) => {
  await page.goto(demo.link());
  await page.getByRole("link", { name: "acme" }).click();
  await page.waitForURL(/customers\/[^/]+$/);
  const instance = page.url().split("/").at(-1) ?? "";
  await page.goto("about:blank");
  await page.goto(`${demo.link(instance).replace("/console/", "/console/customers")}`);
  await expect(page.getByRole("link", { name: "acme" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Overview" })).toHaveCount(0);
  await expect(page.getByRole("link", { name: "nordwind" })).toHaveCount(0);
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const [device, viewport] of [["desktop", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]] as const) {
    test(`${device}, ${colorScheme} @screenshots`, async ({ browser }) => {
      const context = await browser.newContext({ colorScheme, viewport });
      const page = await context.newPage();
      const shoot = async (name: string) => {
        await settled(page);
        await page.screenshot({ path: `screenshots/${name}-${device}-${colorScheme}.png`, fullPage: true });
        await accessible(page);
        await fits(page);
      };
      await page.goto(`${demo.url}/console/`);
      await shoot("signin");
      await page.goto(demo.link());
      await expect(page.getByRole("link", { name: "acme" })).toBeVisible();
      await page.waitForTimeout(3_000); // of the demo's traffic
      await shoot("overview");
      await page.goto(`${demo.url}/console/customers`);
      await expect(page.getByRole("link", { name: "acme" })).toBeVisible();
      await shoot("customers");
      await page.getByRole("link", { name: "acme" }).click();
      await expect(page.getByRole("heading", { name: /ACME-2026/ }).first()).toBeVisible();
      await shoot("customer");
      await context.close();
    });
  }
}
