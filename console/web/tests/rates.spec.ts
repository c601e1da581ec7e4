import { expect, type Page, test } from "@playwright/test";
import { accessible, shoot } from "./page";
import { Demo } from "./server";

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start();
});
test.afterAll(() => demo.stop());

async function open(page: Page) {
  await page.goto(demo.link());
  await page.getByRole("link", { name: "Rate tables" }).click();
  await expect(page.getByRole("region", { name: "Items" })).toBeVisible();
}

/** Tables as a server would list them: the last of three is to come. */
async function given(page: Page, items: (version: number) => object[]) {
  const day = 86_400_000;
  await page.route("**/api/v1.1/rate-tables", (route) => route.request().method() !== "GET" ? route.fallback() : route.fulfill({
    json: [1, 2, 3].map((n) => ({ created: Date.now() - 90 * day, effectiveFrom: Date.now() + (n - 2.5) * 30 * day, series: "2026", version: `v${n}`, items: items(n) })),
  }));
}

test("versions are on a time line, the effective one marked, and any two are compared", async ({ page }) => {
  await given(page, (n) => [{ name: "same", version: "", rate: 1 }, { name: "render", version: "", rate: n }, { name: `only-${n}`, version: "", formula: "cores * 2" }]);
  await open(page);
  const line = page.getByRole("list", { name: "Versions" }).getByRole("button");
  await expect(line).toHaveText([/v1 Past/, /v2 Effective/, /v3 To come/]);
  await expect(line.nth(1)).toHaveAttribute("aria-pressed", "true");
  await expect(page.getByText("cores * 2")).toBeVisible();
  await line.nth(2).click();
  await page.getByLabel("Compare with").selectOption("v1");
  const rows = page.getByRole("region", { name: "Differences" }).locator("tbody tr");
  await expect(rows).toHaveText(["only-1removedcores * 2–", "only-3added–cores * 2", "renderchanged13"]);
  await accessible(page);
  await page.reload();
  await expect(rows).toHaveCount(3);
});

test("a table of 100,000 items is searched while one types", async ({ page }) => {
  await given(page, () => Array.from({ length: 100_000 }, (_, i) => ({ name: `item-${i}`, version: "", rate: i })));
  await open(page);
  const items = page.getByRole("region", { name: "Items" });
  await expect(page.getByText("100,000 of 100,000")).toBeVisible();
  expect(await items.locator("tbody tr").count()).toBeLessThan(40);
  const began = Date.now();
  await page.getByLabel("Search").fill("item-99998");
  await expect(page.getByText("1 of 100,000")).toBeVisible();
  const took = Date.now() - began;
  console.log(`found one of 100,000 in ${took} ms`);
  expect(took).toBeLessThan(2_000); // loosely, of a busy machine
  await page.getByLabel("Search").fill("");
  await expect(page.getByText("100,000 of 100,000")).toBeVisible();
  await items.evaluate((e) => e.scrollTo(0, e.scrollHeight));
  await expect(page.getByText("item-99999", { exact: true })).toBeVisible();
  await accessible(page);
});

test("a draft is simulated, and published after it was confirmed", async ({ page }) => {
  await open(page);
  await page.getByRole("button", { name: "Draft a version" }).click();
  const field = page.getByLabel("Items, as the API has them");
  const before = await field.inputValue();
  await page.getByLabel("Version", { exact: true }).fill("next");
  await field.fill("[");
  await page.getByRole("button", { name: /Simulate/ }).click();
  await expect(page.getByRole("alert")).toContainText("The items are no JSON");
  await field.fill('[{"name": "render 12345678901234567890", "rate": 0.12345678901234567}]'); // of which a browser would lose digits
  await page.getByRole("button", { name: "Publish…" }).click();
  await expect(page.getByRole("alert")).toContainText("0.12345678901234567 has more than 15 digits");
  await field.fill(before.replace(/"rate":[\d.e-]+/, '"rate":12345'));
  await page.getByRole("button", { name: /Simulate/ }).click();
  await expect(page.getByText(/the draft would have charged/)).toBeVisible();
  await accessible(page);

  await page.getByRole("button", { name: "Publish…" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("1 changed, 0 added, 0 removed");
  await accessible(page);
  await dialog.getByRole("button", { name: "Not yet" }).click();
  await expect(page.getByRole("button", { name: /next/ })).toHaveCount(0);
  await page.getByRole("button", { name: "Publish…" }).click();
  await dialog.getByRole("button", { name: "Publish" }).click();
  await expect(page.getByRole("button", { name: /next To come/ })).toBeVisible();
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const [device, viewport] of [["desktop", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]] as const) {
    test(`rate tables, ${device}, ${colorScheme} @screenshots`, async ({ browser }) => {
      const context = await browser.newContext({ colorScheme, viewport });
      const page = await context.newPage();
      await open(page);
      await page.getByLabel("Series").selectOption("studio");
      await page.getByRole("button", { name: /2026.2/ }).click();
      await page.getByLabel("Compare with").selectOption("2026.1");
      await page.getByRole("button", { name: "Draft a version" }).click();
      const field = page.getByLabel("Items, as the API has them");
      await field.fill((await field.inputValue()).replace(/^.*mesh.repair.*\n/m, "")); // what leaves it out is refused
      await page.getByRole("button", { name: /Simulate/ }).click();
      await expect(page.getByText(/the draft would have charged/)).toBeVisible();
      await shoot(page, `rate-tables-${device}-${colorScheme}`);
      await context.close();
    });
  }
}
