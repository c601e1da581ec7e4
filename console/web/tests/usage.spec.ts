import { expect, type Page, test } from "@playwright/test";
import { readFileSync } from "node:fs";
import { accessible, complaintsOf, settled, shoot } from "./page";
import { Demo } from "./server";

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start();
});
test.afterAll(() => demo.stop());

async function open(page: Page) {
  await page.goto(demo.link());
  await page.getByRole("link", { name: "Usage" }).click();
  await expect(page.getByRole("img", { name: "Tokens used, by day and item" })).toBeVisible();
}

test("usage is grouped, cut and filtered, and its address reproduces it", async ({ page }) => {
  const complaints = complaintsOf(page);
  await open(page);
  await page.getByLabel("Range").selectOption("7d");
  await page.getByLabel("By time").selectOption("hour");
  await page.getByLabel("Grouped by").selectOption("accountId");
  await page.getByRole("button", { name: "acme", exact: true }).click();
  await expect(page.getByRole("button", { name: "Remove filter accountId=acme" })).toBeVisible();
  await expect(page.getByRole("button", { name: "nordwind" })).toHaveCount(0);
  await expect(page.getByRole("cell", { name: "100%" })).toBeVisible();
  await accessible(page);

  const address = page.url();
  expect(new URL(address).search).toBe("?range=7d&interval=hour&groupBy=accountId&filter=accountId%3Dacme");
  await page.goto("about:blank");
  await page.goto(address);
  await expect(page.getByRole("img", { name: "Tokens used, by hour and account" })).toBeVisible();
  await expect(page.getByRole("cell", { name: "100%" })).toBeVisible();

  await page.getByRole("link", { name: "Usage" }).click(); // the same path, without a query
  await expect(page.getByRole("img", { name: "Tokens used, by day and item" })).toBeVisible();
  expect(complaints).toEqual([]);
});

test("what is seen is exported, with all digits and nothing that a spreadsheet would run", async ({ page }) => {
  await page.route("**/farebox/v1/usage?*", async (route) => {
    const sums = { tokens: 0.000015, overdraft: 0, count: 1, money: [], requests: 1, denials: 0 };
    const row = { from: Date.now(), to: Date.now(), by: { item: '=HYPERLINK("x"),y' }, ...sums };
    await route.fulfill({ json: { from: 0, timeZone: "UTC", groupBy: ["item"], rows: [row], total: sums } });
  });
  await open(page);
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export table" }).click()]);
  expect(file.suggestedFilename()).toBe("usage.csv");
  expect(readFileSync(await file.path(), "utf8")).toBe(`item,tokens,overdraft,count,requests,denials\r\n"'=HYPERLINK(""x""),y",0.000015,0,1,1,0\r\n`);
});

test("no usage, and a question the server refuses, are said", async ({ page }) => {
  await open(page);
  await page.getByLabel("is", { exact: true }).fill("metadata.project=nobody's");
  await page.getByRole("button", { name: "Add filter" }).click();
  await expect(page.getByText("Nothing was used in this time that these filters let through.")).toBeVisible();
  await page.getByRole("button", { name: /Remove filter/ }).click();
  await page.goto(`${demo.url}/console/usage?groupBy=nonsense`);
  await expect(page.getByRole("alert")).toContainText("nonsense");
  await settled(page);
  await accessible(page);
});

test("usage is grouped by a metadata key, and a customer's token sees that customer's alone", async ({ page }) => {
  await open(page);
  await page.getByLabel("Grouped by").selectOption("metadata");
  await page.getByRole("textbox", { name: "Metadata key" }).fill("team");
  await page.getByRole("button", { name: "Group", exact: true }).click();
  await expect(page.getByRole("img", { name: "Tokens used, by day and team" })).toBeVisible();
  await accessible(page);

  await page.getByRole("link", { name: "Customers" }).click();
  await page.getByRole("link", { name: "acme" }).click();
  await page.waitForURL(/customers\/[^/]+$/);
  const instance = page.url().split("/").at(-1) ?? "";
  await page.goto("about:blank");
  await page.goto(demo.link(instance).replace("/console/", "/console/usage?groupBy=accountId"));
  await expect(page.getByRole("button", { name: "acme", exact: true })).toBeVisible();
  await expect(page.getByRole("cell", { name: "100%" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Rate tables" })).toHaveCount(0);
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const [device, viewport] of [["desktop", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]] as const) {
    test(`usage, ${device}, ${colorScheme} @screenshots`, async ({ browser }) => {
      const context = await browser.newContext({ colorScheme, viewport });
      const page = await context.newPage();
      await open(page);
      await shoot(page, `usage-${device}-${colorScheme}`);
      await context.close();
    });
  }
}
