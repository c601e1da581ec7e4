import { expect, type Page, test } from "@playwright/test";
import { accessible, fits, settled, shoot, shootDialog } from "./page";
import { Demo } from "./server";

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start();
});
test.afterAll(() => demo.stop());

async function open(page: Page, query = "") {
  await page.goto(demo.link());
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.goto(`${demo.url}/console/rate-tables${query}`);
  await expect(page.getByRole("list", { name: "Versions" })).toBeVisible();
  await settled(page);
}

type Item = { name: string; version?: string; rate?: number; formula?: string; freeSeconds?: number };

/** Posts a table, past the console. */
const post = (series: string, version: string, days: number, items: Item[]) =>
  demo.call("POST", "/dynamicmonetization/provisioning/api/v1.1/rate-tables", { series, version, effectiveFrom: Date.now() + days * 86_400_000, items });

const draft = async (page: Page) => {
  await page.getByRole("button", { name: "Draft a version" }).click();
  await expect(page.getByRole("region", { name: "Items of the draft" })).toBeVisible();
};
const price = (page: Page, item: string) => page.getByLabel(`Price of ${item}`, { exact: true });

test("versions are on a time line, the effective one marked, and any two are compared", async ({ page }) => {
  for (const n of [1, 2, 3]) await post("lines", `v${n}`, (n - 2.5) * 30, [{ name: "same", rate: 1 }, { name: "render", rate: n * 2 }, { name: `only-${n}`, formula: "cores * 2" }]);
  await open(page, "?series=lines");
  const line = page.getByRole("list", { name: "Versions" }).getByRole("button");
  await expect(line).toHaveText([/v1 Past/, /v2 Effective/, /v3 To come/]);
  await expect(line.nth(1)).toHaveAttribute("aria-pressed", "true");
  await expect(page.getByText("cores * 2")).toBeVisible();
  await line.nth(2).click();
  await page.getByLabel("Compare with").selectOption("v1");
  const rows = page.getByRole("region", { name: "Differences" }).locator("tbody tr");
  await expect(rows).toHaveText(["only-3added–cores * 2–", "only-1removedcores * 2––", "renderdearer26+200.0%"]);
  await accessible(page);
  await page.reload();
  await expect(rows).toHaveCount(3);
  await page.getByRole("button", { name: "dearer 1" }).click();
  await expect(rows).toHaveCount(1);

  await page.getByRole("button", { name: "Withdraw it" }).click();
  await accessible(page);
  await page.getByRole("button", { name: "Withdraw the version" }).click();
  await expect(line).toHaveText([/v1 Past/, /v2 Effective/]);
  await expect(page.getByRole("status").filter({ hasText: "Withdrew the version v3" })).toBeVisible();
});

test("on a phone the version that prices now is seen whole", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const n of [1, 2, 3, 4]) await post("many", `v${n}`, (n - 3.5) * 30, [{ name: "same", rate: n }]);
  await open(page, "?series=many");
  await expect(page.getByRole("button", { name: /v3 Effective/ })).toBeInViewport({ ratio: 1 });
});

test("a table of 100,000 items is searched by the server, page by page", async ({ page }) => {
  await post("huge", "1", -1, Array.from({ length: 100_000 }, (_, i) => ({ name: `item-${i}`, rate: i })));
  const answers: number[] = [];
  page.on("response", (r) => void (r.url().includes("/rate-tables") && r.body().then((b) => answers.push(b.length), () => {})));
  await open(page, "?series=huge");
  const rows = page.getByRole("region", { name: "Items" }).locator("tbody tr");
  await expect(page.getByText("1–50 of 100,000")).toBeVisible();
  await expect(rows).toHaveCount(50);
  await page.getByRole("button", { name: "Next" }).click();
  await expect(page.getByText("item-50", { exact: true })).toBeVisible();
  await page.getByLabel("Search items").fill("item-99998");
  await expect(page.getByText("1 of 100,000 items")).toBeVisible();
  await expect(rows).toHaveText([/item-99998/]);
  expect(Math.max(...answers)).toBeLessThan(50_000); // bytes: never the whole table
  await page.getByLabel("Search items").fill("nothing so");
  await expect(page.getByText("No item has “nothing so”")).toBeVisible();
  await accessible(page);

  await page.getByRole("button", { name: "Draft a version" }).click();
  await page.getByLabel("Search the draft").fill("item-9*");
  await expect(page.getByLabel("Change all 11,111 that are found")).toBeVisible();
  await page.getByLabel("Change all 11,111 that are found").fill("+25%");
  await page.getByRole("button", { name: "Apply" }).click();
  await expect(price(page, "item-90")).toHaveValue("112.5");
  await expect(page.getByText("11,111 of 100,000 items are changed.")).toBeVisible();
});

test("a price is raised by a quarter without arithmetic: one, many by a pattern, and formulas too; each can be undone", async ({ page }) => {
  await post("pricing", "1", -1, [{ name: "render.hd", rate: 0.1 }, { name: "render.4k", rate: 0.000015 }, { name: "crash", rate: 12.5 }, { name: "gpu", formula: "cores + 1" }]);
  await open(page, "?series=pricing");
  await draft(page);
  await price(page, "crash").fill("×1.25");
  await expect(page.getByText("= 15.625")).toBeVisible();
  await price(page, "crash").press("Enter");
  await expect(price(page, "crash")).toHaveValue("15.625");
  await expect(page.getByRole("row", { name: /^crash 12.5/ })).toBeVisible(); // and what it was
  await price(page, "render.hd").fill("a lot");
  await expect(page.getByText("Write a rate, such as 12.5")).toBeVisible();
  await price(page, "render.hd").press("Escape");
  await expect(price(page, "render.hd")).toHaveValue("0.1");

  await page.getByLabel("Search the draft").fill("render*");
  await page.getByLabel("Change all 2 that are found").fill("+25%");
  await expect(page.getByText("render.hd: 0.1 → 0.125, and so on")).toBeVisible();
  await accessible(page);
  await page.getByLabel("Change all 2 that are found").press("Enter");
  await expect(price(page, "render.hd")).toHaveValue("0.125");
  await expect(price(page, "render.4k")).toHaveValue("0.00001875"); // exactly
  await page.getByLabel("Search the draft").fill("gpu");
  await page.getByLabel("Change the one that is found").fill("*1.25");
  await page.getByRole("button", { name: "Apply" }).click();
  await expect(page.getByText("(cores + 1) * 1.25")).toBeVisible();

  await page.getByLabel("Search the draft").fill("");
  await page.getByRole("button", { name: "Changed" }).click();
  await expect(page.getByRole("region", { name: "Items of the draft" }).locator("tbody tr")).toHaveCount(4);
  await page.getByRole("button", { name: "Undo crash" }).click();
  await expect(page.getByText("3 of 4 items are changed.")).toBeVisible();
  await page.getByRole("button", { name: "Undo the last change" }).click();
  await expect(page.getByText("4 of 4 items are changed.")).toBeVisible();
  await page.getByRole("link", { name: "Usage" }).click(); // what was written is there again
  await page.getByRole("link", { name: "Rate tables" }).click();
  await page.getByLabel("Series").selectOption("pricing");
  await page.getByRole("button", { name: "Go on with the draft" }).click();
  await expect(price(page, "crash")).toHaveValue("15.625");

  await page.reload();
  await page.getByRole("button", { name: "Go on with the draft" }).click();
  await expect(page.getByText("4 of 4 items are changed.")).toBeVisible();
  await expect(price(page, "render.4k")).toHaveValue("0.00001875");
  await page.getByRole("button", { name: "Undo the last change" }).click(); // all of it, since steps are the page's
  await expect(page.getByText("Nothing is changed yet.")).toBeVisible();
  await page.reload();
  await expect(page.getByRole("button", { name: "Draft a version" })).toBeVisible();
});

test("what the server is too busy for is asked again", async ({ page }) => {
  await page.goto(demo.link());
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  let asked = 0;
  await page.route("**/farebox/v1/rate-tables", (route) => (++asked === 1 ? route.fulfill({ status: 503, headers: { "Retry-After": "1" }, json: { detail: "try again" } }) : route.fallback()));
  await page.goto(`${demo.url}/console/rate-tables?series=studio`);
  await expect(page.getByRole("list", { name: "Versions" })).toBeVisible();
  expect(asked).toBe(2);
});

test("a formula is tried while it is written: its value, its variables, and where it is wrong", async ({ page }) => {
  await open(page, "?series=studio");
  await draft(page);
  await page.getByRole("button", { name: "Add an item" }).click();
  const dialog = page.getByRole("dialog", { name: "New item" });
  await page.keyboard.type("gpu.job");
  await dialog.getByLabel("a formula").check();
  const field = dialog.getByLabel("Formula", { exact: true });
  await field.fill("MAX(cores, 4) * hours * 0.5");
  await expect(dialog.getByText("comes to 2 tokens")).toBeVisible();
  await dialog.getByLabel("cores", { exact: true }).fill("16");
  await dialog.getByLabel("hours", { exact: true }).fill("2.5");
  await expect(dialog.getByText("comes to 20 tokens")).toBeVisible();
  await accessible(page);

  await field.fill("MAX(cores, 4) * hours * / 2");
  await expect(dialog.getByText(/character 25/).first()).toBeVisible();
  await expect(dialog.locator("mark")).toHaveText("/");
  await expect(field).toHaveAttribute("aria-invalid", "true");
  await dialog.getByRole("button", { name: "Go to character 25" }).press("Enter");
  await page.keyboard.type("3 /"); // over what was wrong
  await expect(field).toHaveValue("MAX(cores, 4) * hours * 3 / 2");
  await expect(dialog.getByText("comes to 60 tokens")).toBeVisible();
  await field.fill("cores / (hours - hours)");
  await expect(dialog.getByText(/division by 0|divided by 0|by zero/i)).toBeVisible();
  await field.fill("cores * (");
  await expect(dialog.locator(".wrong")).toBeVisible();
  await dialog.getByRole("button", { name: "Add to the draft" }).click();
  await expect(dialog.getByText("The formula cannot be read")).toBeVisible();
  await accessible(page);
  await field.fill("cores * 2");
  await expect(dialog.getByText("comes to 32 tokens")).toBeVisible();
  await dialog.getByRole("button", { name: "Add to the draft" }).click();
  await page.getByRole("button", { name: "Changed" }).click();
  await expect(page.getByRole("row", { name: /gpu.job added/ })).toContainText("cores * 2");
});

test("a draft is simulated, and published after it was confirmed, once", async ({ page }) => {
  // One who uses nothing but what gets dearer, and one who uses what is removed; what the demo's customers use is left to chance.
  for (const [account, item] of [["crashes", "crash.run"], ["repairs", "mesh.repair"]] as const) {
    const instance = await demo.customer(account);
    await demo.lineItem(instance, account, 1000);
    await demo.charge(instance, item, 2);
  }
  await open(page, "?series=studio");
  await draft(page);
  await price(page, "crash.run").fill("×2");
  await price(page, "crash.run").press("Enter");
  await page.getByRole("button", { name: "Remove mesh.repair" }).click();
  await page.getByRole("button", { name: "Edit cad.seat" }).click();
  await page.getByLabel("Free seconds").fill("60");
  await page.getByLabel("Window").fill("P1D");
  await page.getByRole("button", { name: "Keep in the draft" }).click();
  await expect(page.getByRole("alert")).toContainText("leave out the free seconds or the window");
  await page.getByLabel("Window").fill("");
  await page.getByRole("button", { name: "Keep in the draft" }).click();
  await expect(page.getByText("Other free seconds are not simulated")).toBeVisible();
  await page.getByRole("button", { name: "Simulate" }).click();
  await expect(page.getByText("Would have charged", { exact: true })).toBeVisible();
  const who = page.getByRole("region", { name: "Who pays more, and who less" }).locator("tbody tr");
  await page.getByRole("button", { name: "Is refused" }).click();
  await expect(who.filter({ hasText: "repairs" })).toContainText("1 of 1");
  await expect(page.getByText("Used, and not priced by the draft: mesh.repair.")).toBeVisible();
  await page.getByRole("button", { name: "Pays more" }).click();
  await expect(who.filter({ hasText: "crashes" })).toContainText("+25");
  await accessible(page);
  await price(page, "step.export").fill("1");
  await price(page, "step.export").press("Enter");
  await expect(page.getByText("The draft has changed since")).toBeVisible();

  await page.getByLabel("Name of the version").fill("2026.1");
  await page.getByRole("button", { name: "Publish…" }).click();
  await expect(page.getByText("There is a version 2026.1 of this series.")).toBeVisible();
  await page.getByLabel("Name of the version").fill("next");
  await page.getByLabel("Prices from").fill(new Date(Date.now() + 2 * 86_400_000).toLocaleString("sv-SE").slice(0, 16).replace(" ", "T")); // the coming midnight may come meanwhile
  await page.getByRole("button", { name: "Publish…" }).click();
  const dialog = page.getByRole("dialog", { name: "Publish next?" });
  await expect(dialog).toContainText("Against 2026.1: 2 dearer, 0 cheaper, 1 with another formula or other terms, 0 added, 1 removed");
  await expect(dialog.getByRole("row", { name: /^crash.run/ }).getByRole("cell")).toHaveText(["12.5", "25"]);
  await expect(dialog.getByRole("row", { name: /^mesh.repair/ }).getByRole("cell")).toHaveText(["0.8", "no price"]);
  await accessible(page);
  await dialog.getByRole("button", { name: "Not now" }).click();
  await expect(page.getByRole("button", { name: /^next/ })).toHaveCount(0);
  await page.getByRole("button", { name: "Publish…" }).click();
  await dialog.getByRole("button", { name: "Publish" }).dblclick();
  await expect(page.getByRole("button", { name: /^next To come/ })).toBeVisible();
  await expect(page.getByRole("status").filter({ hasText: "Published next of studio" })).toBeVisible();
});

test("what the server refuses of a draft is said with the item's name", async ({ page }) => {
  await post("refusing", "1", -1, [{ name: "render", rate: 1 }]);
  await open(page, "?series=refusing");
  await draft(page);
  await page.getByRole("button", { name: "Edit render" }).click();
  await page.getByText("Terms: free").click();
  await page.getByLabel("Window").fill("PT5S");
  await page.getByRole("button", { name: "Keep in the draft" }).click();
  await page.getByRole("button", { name: "Simulate" }).click();
  await expect(page.getByRole("alert")).toContainText(/Render, window|render, window/i);
  await page.getByLabel("Name of the version").fill("2");
  await page.getByRole("button", { name: "Publish…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Publish" }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText(/render, window/i);
});

test("what cannot be loaded is said and tried again; and it all fits a phone", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await post("narrow", "a version with quite a long name for a phone", -1, [{ name: "item-".repeat(40), rate: 0.000000000001 }, { name: "gpu", formula: `cores * ${"hours + ".repeat(60)}1` }]);
  await page.route("**/rate-tables/items?*", (route) => route.fulfill({ status: 500, json: { detail: "something is wrong on our side" } }), { times: 1 });
  await open(page, "?series=narrow");
  await expect(page.getByRole("alert")).toContainText("something is wrong on our side");
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("region", { name: "Items" })).toBeVisible();
  await fits(page);
  await page.getByRole("button", { name: "Try the formula of gpu" }).click();
  await expect(page.getByText(/comes to/)).toBeVisible();
  await fits(page);
  await page.keyboard.press("Escape");
  await draft(page);
  await page.getByLabel("Change all 2 that are found").fill("+25%");
  await fits(page);
  await accessible(page);
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByLabel("Name of the version").fill("2");
  await page.getByRole("button", { name: "Publish…" }).click();
  await expect(page.getByRole("dialog").getByRole("table")).toBeVisible();
  await fits(page);
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const [device, viewport] of [["desktop", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]] as const) {
    test(`rate tables, ${device}, ${colorScheme} @screenshots`, async ({ browser }) => {
      const context = await browser.newContext({ colorScheme, viewport });
      const page = await context.newPage();
      await open(page, "?series=studio");
      await shoot(page, `rate-tables-${device}-${colorScheme}`);
      await page.getByRole("button", { name: /2026.2/ }).click();
      await page.getByLabel("Compare with").selectOption("2026.1");
      await shoot(page, `rate-tables-difference-${device}-${colorScheme}`);
      await page.getByRole("button", { name: /2026.1/ }).click();
      await draft(page);
      await price(page, "crash.run").fill("+25%");
      await price(page, "crash.run").press("Enter");
      await page.getByRole("button", { name: "Remove mesh.repair" }).click();
      await page.getByLabel("Search the draft").fill("render*");
      await page.getByLabel("Change all 3 that are found").fill("×1.25");
      await shoot(page, `rate-tables-draft-many-${device}-${colorScheme}`);
      await page.getByLabel("Search the draft").fill("");
      await page.getByRole("button", { name: "Simulate" }).click();
      await expect(page.getByText("Would have charged", { exact: true })).toBeVisible();
      await shoot(page, `rate-tables-draft-${device}-${colorScheme}`);
      await page.getByRole("button", { name: "Add an item" }).click();
      await page.getByRole("textbox", { name: "Item", exact: true }).fill("gpu.job");
      await page.getByLabel("a formula").check();
      await page.getByLabel("Formula", { exact: true }).fill("MAX(cores, 4) * hours * 0.5");
      await expect(page.getByText(/comes to/)).toBeVisible();
      await shootDialog(page, `rate-tables-formula-${device}-${colorScheme}`);
      await page.getByLabel("Formula", { exact: true }).fill("MAX(cores, 4) * hours * / 2");
      await expect(page.getByText(/character 25/).first()).toBeVisible();
      await shootDialog(page, `rate-tables-formula-wrong-${device}-${colorScheme}`);
      await page.keyboard.press("Escape");
      await page.getByLabel("Name of the version").fill("2026.1b");
      await page.getByRole("button", { name: "Publish…" }).click();
      await shootDialog(page, `rate-tables-publish-${device}-${colorScheme}`);
      await context.close();
    });
  }
}
