import { expect, type Page, test } from "@playwright/test";
import { accessible, fits, settled, shoot, shootDialog } from "./page";
import { Demo } from "./server";

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start();
});
test.afterAll(() => demo.stop());

const dialogOf = (page: Page, name: string | RegExp) => page.getByRole("dialog", { name });
const row = (page: Page, what: string) => page.getByRole("dialog").getByRole("row", { name: new RegExp(`^${what} `) }).getByRole("cell");

/** A customer that nobody but the test uses, with line items. */
async function customer(account: string, quantities: Record<string, number>): Promise<string> {
  const id = await demo.customer(account);
  for (const [activationId, quantity] of Object.entries(quantities)) await demo.lineItem(id, activationId, quantity);
  return id;
}

const standing = async (id: string, activationId: string) =>
  (await demo.call<{ lineItems: { activationId: string; quantity: number; balance: number; used: number }[] }>("GET", `/farebox/v1/instances/${id}/balance`)).lineItems.find((l) => l.activationId === activationId);

async function open(page: Page, id: string) {
  await page.goto(demo.link());
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.goto(`${demo.url}/console/customers/${id}`);
  await settled(page);
}

test("a customer is created, sold a pack, and has the tokens; by keyboard, and an order sells once", async ({ page }) => {
  await page.goto(demo.link());
  await page.getByRole("link", { name: "Packs" }).click();
  await expect(page.getByText("There is no pack yet")).toBeVisible();
  await accessible(page);
  await page.getByRole("button", { name: "New pack" }).click();
  const pack = dialogOf(page, "New pack");
  await pack.getByLabel("Name").fill("team-1000");
  await pack.getByLabel("Tokens of one pack").fill("0");
  await pack.getByLabel("Good for").fill("365");
  await pack.getByLabel("Priced by the series").selectOption("studio");
  await pack.getByRole("button", { name: "Review" }).click();
  await pack.getByRole("button", { name: "Make the pack" }).click();
  await expect(pack.getByLabel("Tokens of one pack")).toBeFocused(); // back where it can be put right
  await expect(pack.getByRole("alert")).toContainText("at least 1");
  await accessible(page);
  await pack.getByLabel("Tokens of one pack").fill("1000");
  await page.keyboard.press("Enter");
  await expect(row(page, "Good for")).toContainText(["–", "365 days"]);
  await pack.getByRole("button", { name: "Make the pack" }).click();
  await expect(page.getByRole("status").filter({ hasText: "Made the pack team-1000" })).toBeVisible();
  await expect(page.getByRole("row", { name: /team-1000 1,000 365 days/ })).toBeVisible();

  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await page.getByRole("button", { name: "New customer" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type("fresh");
  await page.keyboard.press("Tab");
  await page.keyboard.type("fresh-main");
  await page.keyboard.press("Enter");
  await expect(row(page, "Instances of the account")).toHaveText(["0", "1"]);
  await page.getByRole("button", { name: "Create the instance" }).press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "fresh" })).toBeVisible();
  await expect(page.getByText("Nothing was bought yet")).toBeVisible();

  for (const told of ["Sold 3 × team-1000: PO-1 has 3,000 tokens.", "The order PO-1 was sold before"]) {
    await page.getByRole("button", { name: "Sell a pack" }).click();
    const sale = dialogOf(page, "Sell a pack");
    await sale.getByLabel("Order number").fill("PO-1");
    await sale.getByLabel("How many packs").fill("3");
    await sale.getByRole("button", { name: "Review" }).click();
    await expect(row(page, "Quantity")).toHaveText(["–", "3,000"]);
    await accessible(page);
    await sale.getByRole("button", { name: "Sell 3,000 tokens" }).click();
    await expect(page.getByRole("status").filter({ hasText: told })).toBeVisible();
    await expect(page.getByRole("heading", { name: /PO-1/ })).toHaveCount(1);
  }

  await page.getByRole("link", { name: "Packs" }).click();
  await page.getByRole("button", { name: "Change team-1000" }).click();
  await page.getByLabel("Tokens of one pack").fill("1200");
  await page.getByRole("button", { name: "Review" }).click();
  await expect(row(page, "Tokens of one pack")).toHaveText(["1,000", "1,200"]);
  await page.getByRole("button", { name: "Change the pack" }).click();
  await expect(page.getByRole("row", { name: /team-1000 1,200/ })).toBeVisible();
  await page.getByRole("button", { name: "Delete team-1000" }).click();
  await page.getByRole("button", { name: "Delete the pack" }).click();
  await expect(page.getByText("There is no pack yet")).toBeVisible();
});

test("a line item is created and changed; what is wrong is said at its field, and a top-up in between is kept", async ({ page }) => {
  const id = await customer("changing", {});
  await open(page, id);
  await page.getByRole("button", { name: "New line item" }).click();
  const fresh = dialogOf(page, "New line item");
  await fresh.getByLabel("Name").fill("PO-7");
  await fresh.getByLabel("Quantity").fill("many");
  await fresh.getByRole("button", { name: "Review" }).click();
  await expect(fresh.getByLabel("Quantity")).toHaveAccessibleDescription(/Write a number/);
  await fresh.getByLabel("Quantity").fill("0");
  await fresh.getByLabel("Ends").fill("2020-01-01T00:00");
  await fresh.getByRole("button", { name: "Review" }).click();
  await fresh.getByRole("button", { name: "Create the line item" }).click();
  await expect(fresh.getByLabel("Quantity")).toHaveAccessibleDescription(/Must be at least 1/); // both are said, each at its field
  await expect(fresh.getByLabel("Ends")).toHaveAccessibleDescription(/Must be after start/);
  await accessible(page);
  await fresh.getByLabel("Quantity").fill("1000");
  await fresh.getByLabel("Ends").fill("2099-01-01T00:00");
  await fresh.getByText("More terms").click();
  await fresh.getByLabel("Price of a token").fill("0.12");
  await fresh.getByRole("button", { name: "Review" }).click();
  await fresh.getByRole("button", { name: "Create the line item" }).click();
  await expect(fresh.getByLabel("Currency")).toHaveAccessibleDescription(/required with unitPrice/);
  await fresh.getByLabel("Currency").fill("eur");
  await fresh.getByRole("button", { name: "Review" }).click();
  await fresh.getByRole("button", { name: "Create the line item" }).click();
  await expect(page.getByRole("heading", { name: /PO-7/ })).toBeVisible();

  await page.getByRole("button", { name: "Change PO-7" }).click();
  const change = dialogOf(page, "Change PO-7");
  await change.getByLabel("Ends").fill("2098-06-01T12:00");
  await demo.call("POST", `/farebox/v1/instances/${id}/line-items/PO-7/top-up`, { tokens: 500 }); // by somebody else
  await change.getByRole("button", { name: "Review" }).click();
  await expect(row(page, "Ends")).toContainText(["2099", "2098"]);
  await expect(row(page, "Left")).toHaveText(["1,500", "1,500"]);
  await accessible(page);
  await change.getByRole("button", { name: "Change the line item" }).click();
  await expect(page.getByRole("status").filter({ hasText: "Changed the line item PO-7" })).toBeVisible();
  expect((await standing(id, "PO-7"))?.quantity).toBe(1500);
});

test("a top-up shows before and after, and is made once: by a double click, and by another try after the answer was lost", async ({ page }) => {
  const id = await customer("topping", { "TOP-1": 1000 });
  await demo.call("POST", `/farebox/v1/instances/${id}/line-items/TOP-1/adjustments`, { tokens: 760, reason: "test" });
  await open(page, id);
  const ask = async () => {
    await page.getByRole("button", { name: "Top up TOP-1" }).click();
    await page.keyboard.type("500");
    await page.keyboard.press("Enter");
  };
  await ask();
  await expect(row(page, "Quantity")).toHaveText(["1,000", "1,500"]);
  await expect(page.getByRole("textbox", { name: "Tokens to add" })).toBeHidden(); // it is one step or the other
  await expect(row(page, "Left")).toHaveText(["240", "740"]);
  await accessible(page);
  await page.getByRole("button", { name: "Add 500 tokens" }).dblclick();
  await expect(page.getByRole("status").filter({ hasText: "its quantity went from 1,000 to 1,500" })).toBeVisible();
  await expect(page.locator(".lineitems")).toContainText("740 of 1,500 left"); // the page shows it
  expect((await standing(id, "TOP-1"))?.quantity).toBe(1500);

  await page.route("**/top-up", async (route) => {
    await route.fetch(); // it is done, and nobody hears of it
    await route.abort();
  }, { times: 1 });
  await ask();
  await page.getByRole("button", { name: "Add 500 tokens" }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText("cannot be reached");
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("status").filter({ hasText: "from 1,500 to 2,000" })).toBeVisible();
  expect((await standing(id, "TOP-1"))?.quantity).toBe(2000);
});

test("tokens are adjusted and transferred; what is refused is said readably", async ({ page }) => {
  const id = await customer("moving", { "MOVE-1": 100, "MOVE-2": 50 });
  await open(page, id);
  await page.getByRole("button", { name: "Adjust MOVE-1" }).click();
  const adjust = dialogOf(page, "Adjust MOVE-1");
  await adjust.getByLabel("Tokens", { exact: true }).fill("5");
  await adjust.getByLabel("Reason").fill("counted twice");
  await adjust.getByRole("button", { name: "Review" }).click();
  await adjust.getByRole("button", { name: "Give 5 tokens back" }).click();
  await expect(adjust.getByRole("alert")).toContainText("0 tokens are used of MOVE-1, and no more can be given back");
  await adjust.getByLabel("Count tokens as used").check();
  await adjust.getByLabel("Tokens", { exact: true }).fill("0.1");
  await adjust.getByRole("button", { name: "Review" }).click();
  await expect(row(page, "Used")).toHaveText(["0", "0.1"]);
  await expect(row(page, "Left")).toHaveText(["100", "99.9"]);
  await accessible(page);
  await adjust.getByRole("button", { name: "Count 0.1 tokens as used" }).click();
  await expect(page.getByRole("status").filter({ hasText: "Counted 0.1 tokens" })).toBeVisible();

  await page.getByRole("button", { name: "Transfer MOVE-1" }).click();
  const transfer = dialogOf(page, "Transfer from MOVE-1");
  await expect(transfer.getByLabel("To", { exact: true })).toHaveValue("MOVE-2");
  await transfer.getByLabel("Tokens", { exact: true }).fill("100");
  await transfer.getByRole("button", { name: "Review" }).click();
  await transfer.getByRole("button", { name: "Transfer 100 tokens" }).click();
  await expect(transfer.getByLabel("Tokens", { exact: true })).toHaveAccessibleDescription(/Of MOVE-1 at most 99 can be moved/);
  await accessible(page);
  await transfer.getByLabel("Tokens", { exact: true }).fill("40");
  await transfer.getByRole("button", { name: "Review" }).click();
  await expect(row(page, "Quantity")).toHaveText(["100", "60", "50", "90"]);
  await expect(row(page, "Left")).toHaveText(["99.9", "59.9", "50", "90"]);
  await accessible(page);
  await transfer.getByRole("button", { name: "Transfer 40 tokens" }).click();
  await expect(page.getByRole("status").filter({ hasText: "Transferred 40 tokens from MOVE-1 to MOVE-2" })).toBeVisible();
  expect([(await standing(id, "MOVE-1"))?.quantity, (await standing(id, "MOVE-2"))?.quantity]).toEqual([60, 90]);
});

test("a charge is refunded in part and then whole, and every line item gets what was shown", async ({ page }) => {
  const id = await customer("refunding", {});
  await demo.lineItem(id, "BACK-1", 10, { priority: 0 });
  await demo.lineItem(id, "BACK-2", 5, { priority: 1, overdraftType: "Unlimited" });
  await demo.charge(id, "crash.run", 2);
  await open(page, id);
  const refund = async () => {
    await page.getByRole("button", { name: /^Receipt of crash.run for ines/ }).last().click();
    await page.getByRole("button", { name: "Refund…" }).click();
  };
  await refund();
  const dialog = dialogOf(page, "Refund");
  await expect(dialog.getByLabel("Tokens of crash.run")).toHaveValue("25");
  await dialog.getByLabel("Tokens of crash.run").fill("26");
  await dialog.getByRole("button", { name: "Review" }).click();
  await expect(dialog.getByRole("alert")).toContainText("At most 25 of the 25 tokens can still be refunded");
  await dialog.getByLabel("Tokens of crash.run").fill("12.5");
  await dialog.getByLabel("Reason").fill("half of it was unusable");
  await dialog.getByRole("button", { name: "Review" }).click();
  await expect(dialog.getByRole("table", { name: "BACK-2" }).getByRole("row", { name: /^Used/ }).getByRole("cell")).toHaveText(["15", "2.5"]);
  await expect(dialog.getByRole("table", { name: "BACK-2" }).getByRole("row", { name: /^Overdraft/ }).getByRole("cell")).toHaveText(["10", "0"]);
  await expect(dialog.getByRole("table", { name: "BACK-1" })).toHaveCount(0);
  await accessible(page);
  await dialog.getByRole("button", { name: "Refund 12.5 tokens" }).click();
  await expect(dialog).toHaveCount(0);
  await expect(dialogOf(page, "Receipt")).toContainText("half of it was unusable");
  expect([(await standing(id, "BACK-1"))?.used, (await standing(id, "BACK-2"))?.used]).toEqual([10, 2.5]);
  await page.keyboard.press("Escape");

  await refund();
  await expect(dialog.getByLabel("Tokens of crash.run")).toHaveValue("12.5");
  await dialog.getByRole("button", { name: "Review" }).click();
  await expect(dialog.getByRole("table", { name: "BACK-1" }).getByRole("row", { name: /^Used/ }).getByRole("cell")).toHaveText(["10", "0"]);
  await dialog.getByRole("button", { name: "Refund 12.5 tokens" }).click();
  await expect(page.getByRole("button", { name: "Refund…" })).toHaveCount(0); // nothing is left of it
  expect([(await standing(id, "BACK-1"))?.used, (await standing(id, "BACK-2"))?.used]).toEqual([0, 0]);
});

test("a customer's token sees none of it", async ({ page }) => {
  const id = await customer("onlooker", { "LOOK-1": 10 });
  await page.goto(demo.link(id).replace("/console/", `/console/customers/${id}`));
  await expect(page.getByRole("heading", { name: /LOOK-1/ })).toBeVisible();
  await settled(page);
  await expect(page.getByRole("button", { name: /Top up|Transfer|Adjust|Change|Sell a pack|New line item/ })).toHaveCount(0);
  await expect(page.getByRole("link", { name: /Packs|Rate tables/ })).toHaveCount(0);
});

test("everything fits a phone, also with long names", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const long = `PO-${"2026-0042-".repeat(12)}`;
  const id = await customer("long-names", { [long]: 9_000_000_000_000, [`${long}b`]: 10 });
  await open(page, id);
  await fits(page);
  for (const [button, field] of [["Top up", "Tokens to add"], ["Transfer", "Tokens"], ["Adjust", "Tokens"], ["Change", "Quantity"]] as const) {
    await page.getByRole("button", { name: `${button} ${long}`, exact: true }).click();
    const dialog = page.getByRole("dialog");
    await fits(page);
    await dialog.getByLabel(field, { exact: true }).fill("123456789012");
    if (button === "Adjust") await dialog.getByLabel("Reason").fill("why in words ".repeat(12));
    await dialog.getByRole("button", { name: "Review" }).click();
    await expect(dialog.getByRole("table").first()).toBeVisible();
    await fits(page);
    await accessible(page);
    await page.keyboard.press("Escape");
  }
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const [device, viewport] of [["desktop", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]] as const) {
    test(`moves, ${device}, ${colorScheme} @screenshots`, async ({ browser }) => {
      const context = await browser.newContext({ colorScheme, viewport });
      const page = await context.newPage();
      const name = (of: string) => `${of}-${device}-${colorScheme}`;
      const id = await customer(`pictured-${device}-${colorScheme}`, {});
      await demo.lineItem(id, `${device}-${colorScheme}-1`, 10, { priority: 0 });
      await demo.lineItem(id, `${device}-${colorScheme}-2`, 1000, { priority: 1 });
      await demo.charge(id, "crash.run", 2);
      for (const [pack, more] of [["starter", { period: "P90D" }], ["team-1000", { period: "P365D", unitPrice: 0.12, currency: "EUR", overdraftType: "PERCENT", overdraftPercent: 10 }]] as const)
        if (colorScheme === "light" && device === "desktop") await demo.call("POST", "/farebox/v1/packs", { name: pack, quantity: 1000, series: "studio", ...more });
      await open(page, id);
      await shoot(page, name("moves-customer"));
      await page.getByRole("button", { name: /^Top up .*-2/ }).click();
      await page.getByRole("textbox").last().fill("500");
      await page.keyboard.press("Enter");
      await expect(page.getByRole("button", { name: "Add 500 tokens" })).toBeVisible();
      await shootDialog(page, name("moves-topup"));
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: /^Change .*-2/ }).click();
      await page.getByLabel("Quantity").fill("0");
      await page.getByText("More terms").click();
      await page.getByRole("button", { name: "Review" }).click();
      await page.getByRole("button", { name: "Change the line item" }).click();
      await expect(page.getByText("Must be at least 1")).toBeVisible();
      await shootDialog(page, name("moves-change"));
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Sell a pack" }).click();
      await page.getByLabel("Pack", { exact: true }).selectOption("team-1000");
      await page.getByLabel("Order number").fill("PO-2026-0042");
      await shootDialog(page, name("moves-sale"));
      await page.getByRole("button", { name: "Review" }).click();
      await expect(page.getByText("All that the customer can use now")).toBeVisible();
      await shootDialog(page, name("moves-sale-review"));
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: /^Adjust .*-2/ }).click();
      await shootDialog(page, name("moves-adjust"));
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: /^Receipt of crash.run for ines/ }).last().click();
      await shootDialog(page, name("moves-receipt"));
      await page.getByRole("button", { name: "Refund…" }).click();
      await page.getByRole("button", { name: "Review" }).click();
      await expect(page.getByRole("button", { name: "Refund 25 tokens" })).toBeVisible();
      await shootDialog(page, name("moves-refund"));
      await page.getByRole("button", { name: "Refund 25 tokens" }).click();
      await expect(page.getByRole("status").filter({ hasText: "Refunded" })).toBeVisible();
      await page.keyboard.press("Escape");
      await page.goto(`${demo.url}/console/packs`);
      await shoot(page, name("moves-packs"));
      await context.close();
    });
  }
}
