import AxeBuilder from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

/** Everything was loaded. */
export const settled = (page: Page) => expect(page.locator(".loading")).toHaveCount(0);

/** What goes wrong in a page from now on, but for a server that is busy, which is asked again. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (m) => m.type() === "error" && !m.text().includes("status of 503") && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(e.message));
  return complaints;
}

/** Axe finds nothing serious. */
export async function accessible(page: Page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`)).toEqual([]);
}

/** Nothing sticks out at the side, as on a phone it does first, where tables are blocks. */
export const fits = async (page: Page) => expect(await page.evaluate(() => Math.max(document.documentElement.scrollWidth - innerWidth, ...[...document.querySelectorAll(innerWidth > 736 ? "dialog" : "dialog, .scroll")].map((d) => d.scrollWidth - d.clientWidth)))).toBeLessThanOrEqual(0);

/** No choice that is taken is cut, as one would be that has no room for its text. */
export const uncut = async (page: Page) => expect(await page.evaluate(() => [...document.querySelectorAll("select")].filter((select) => {
  const { font, paddingLeft, paddingRight } = getComputedStyle(select);
  const context = document.createElement("canvas").getContext("2d")!;
  context.font = font;
  return select.checkVisibility() && context.measureText(select.selectedOptions[0]?.text ?? "").width > select.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
}).map((select) => select.selectedOptions[0]?.text))).toEqual([]);

/** A picture of what is seen of a page with a dialog, which is accessible. */
export async function shootDialog(page: Page, name: string) {
  await settled(page);
  await page.screenshot({ path: `screenshots/${name}.png` });
  await accessible(page);
  await fits(page);
  await uncut(page);
}

/** A picture of the whole page, which is accessible and has nothing cut off. */
export async function shoot(page: Page, name: string) {
  await settled(page);
  await page.screenshot({ path: `screenshots/${name}.png`, fullPage: true });
  await accessible(page);
  await fits(page);
  await uncut(page);
}
