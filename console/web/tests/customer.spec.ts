import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { Demo } from "./server";

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start();
});
test.afterAll(() => demo.stop());

test("a customer's charge has a receipt, and a price can be asked for", async ({ page }) => {
  await page.goto(demo.link());
  await page.getByRole("link", { name: "acme" }).click();
  await page.getByLabel("Item", { exact: true }).fill("crash.run");
  await page.getByRole("button", { name: "Ask" }).click();
  await expect(page.getByText("would cost 12.5 tokens")).toBeVisible();
  await page.getByRole("button", { name: /^Receipt of/ }).first().click();
  const dialog = page.getByRole("dialog", { name: "Receipt" });
  await expect(dialog).toContainText("tokens");
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => v.id)).toEqual([]);
  if (process.env["PICTURE"]) await page.screenshot({ path: process.env["PICTURE"] });
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  if (process.env["PICTURE"]) await page.screenshot({ path: process.env["PICTURE"] + "2.png", fullPage: true });
});
