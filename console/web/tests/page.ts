import AxeBuilder from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

/** Everything was loaded. */
export const settled = (page: Page) => expect(page.locator(".loading")).toHaveCount(0);

/** Axe finds nothing serious. */
export async function accessible(page: Page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`)).toEqual([]);
}

/** A picture of what is seen of a page with a dialog, which is accessible. */
export async function shootDialog(page: Page, name: string) {
  await settled(page);
  await page.screenshot({ path: `screenshots/${name}.png` });
  await accessible(page);
}

/** A picture of the whole page, which is accessible and has nothing cut off. */
export async function shoot(page: Page, name: string) {
  await settled(page);
  await page.screenshot({ path: `screenshots/${name}.png`, fullPage: true });
  await accessible(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
}
