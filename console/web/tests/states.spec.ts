import { expect, type Page, type Route, test } from "@playwright/test";
import { accessible, fits, settled } from "./page";
import { Demo } from "./server";

// How every view is while there is nothing in it, while it is loaded, and when it cannot be.

let demo: Demo;
let views: { path: string; name: string }[];
test.beforeAll(async () => {
  demo = await Demo.empty();
  const instance = await demo.customer("void");
  const { id } = await demo.call<{ id: string }>("POST", "/farebox/v1/webhooks", { url: "https://receiver.invalid/x", description: "", types: [], disabled: true });
  views = [
    { path: "/", name: "Overview" }, { path: "/customers", name: "Customers" }, { path: `/customers/${instance}`, name: "void" }, { path: "/usage", name: "Usage" }, { path: "/packs", name: "Packs" },
    { path: "/rate-tables", name: "Rate tables" }, { path: "/operate", name: "Operate" }, { path: `/operate/webhooks/${id}`, name: "Webhook" },
  ];
});
test.afterAll(() => demo.stop());

/** Goes to a view as a link does, without loading the page. */
const go = (page: Page, path: string) => page.evaluate((to) => (history.pushState(null, "", `/console${to}`), dispatchEvent(new PopStateEvent("popstate"))), path);

/** Has every request to the API answered otherwise, until it is undone. */
async function answered(page: Page, by: (route: Route) => Promise<void> | void) {
  const api = /\/(farebox|dynamicmonetization)\//;
  await page.route(api, by);
  return () => page.unroute(api);
}

async function signIn(page: Page) {
  await page.goto(demo.linkTo("/packs"));
  await expect(page.getByText("There is no pack yet")).toBeVisible();
}

const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name, exact: true });

test("views with nothing in them say so, and what to do; on a phone in the dark", async ({ browser }) => {
  const context = await browser.newContext({ colorScheme: "dark", viewport: { width: 390, height: 844 } });
  const page = await context.newPage();
  const said: Record<string, string[]> = {
    Overview: ["Nothing was used in this time.", "No alert has fired.", "No line item ends within 60 days."], Customers: ["void-main"],
    void: ["Nothing was bought yet.", "Nothing was used in the last 30 days.", "No session is open.", "Nothing is held.", "Nothing is leased.", "Nothing has happened yet.", "There is no condition", "Everybody may use every line item."],
    Usage: ["Nothing was used in this time."], Packs: ["There is no pack yet."], "Rate tables": ["There is no rate table yet."], Operate: ["Nothing was checked since this server started"], Webhook: ["Nothing was sent yet, and nothing waits."],
  };
  await signIn(page);
  for (const { path, name } of views) {
    await go(page, path);
    await expect(heading(page, name)).toBeVisible();
    for (const text of said[name] ?? []) await expect(page.getByText(text).first()).toBeVisible();
    await settled(page);
    await expect(page.getByRole("alert")).toHaveCount(0);
    await accessible(page);
    await fits(page);
  }
  await context.close();
});

test("a slow answer is waited for, and said to be; the view's name is there at once", async ({ page }) => {
  await signIn(page);
  for (const { path, name } of views) {
    let release = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const undo = await answered(page, async (route) => (await gate, route.continue().catch(() => {})));
    await go(page, path);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await expect(page.getByText("Loading…").first()).toBeAttached();
    await expect(page.getByRole("alert")).toHaveCount(0);
    await expect(page.locator(".empty")).toHaveCount(0); // nothing is said to be empty that has not come
    release();
    await expect(heading(page, name)).toBeVisible();
    await settled(page);
    await undo();
  }
});

test("what the server fails to answer is said in its words; one press tries all of it again", async ({ page }) => {
  await signIn(page);
  for (const { path, name } of views) {
    const undo = await answered(page, (route) => route.fulfill({ status: 500, json: { title: "Internal", status: 500, detail: "the disk is full" } }));
    await go(page, path);
    await expect(page.getByRole("alert").filter({ hasText: "the disk is full" }).first()).toBeVisible();
    await settled(page);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await accessible(page);
    await undo();
    await page.getByRole("button", { name: "Try again" }).first().click();
    await expect(heading(page, name)).toBeVisible();
    await expect(page.getByRole("alert")).toHaveCount(0);
    await settled(page);
  }
});

test("a busy server is asked again when it says so, unless that is long", async ({ page }) => {
  await signIn(page);
  const asked = new Set<string>();
  const busy = (after: string) => ({ status: 503, headers: { "Retry-After": after }, json: { title: "Busy", status: 503, detail: "too many questions at once" } });
  let undo = await answered(page, (route) => (asked.size < asked.add(route.request().url()).size ? route.fulfill(busy("1")) : route.continue()));
  for (const { path, name } of views) {
    await go(page, path);
    await expect(heading(page, name)).toBeVisible();
    await settled(page);
    await expect(page.getByRole("alert")).toHaveCount(0);
    asked.clear();
  }
  await undo();
  undo = await answered(page, (route) => route.fulfill(busy("3600")));
  for (const { path } of views) {
    await go(page, path);
    await expect(page.getByRole("alert").filter({ hasText: "too many questions at once" }).first()).toBeVisible();
  }
  await undo();
});

test("without a network that is said, and all is there again once it is back", async ({ page, context }) => {
  await signIn(page);
  for (const { path, name } of views) {
    await context.setOffline(true);
    await go(page, path);
    await expect(page.getByRole("alert").filter({ hasText: "The server cannot be reached." }).first()).toBeVisible();
    await context.setOffline(false);
    await expect(heading(page, name)).toBeVisible();
    await expect(page.getByRole("alert")).toHaveCount(0);
    await settled(page);
  }
});

test("a token that has expired signs out and says why; a new one goes on where one was", async ({ page }) => {
  await signIn(page);
  for (const { path, name } of views) {
    const undo = await answered(page, (route) => route.fulfill({ status: 401, json: { title: "Unauthorized", status: 401, detail: "the token expired at 12:00" } }));
    await go(page, path);
    await expect(page.getByRole("alert")).toContainText("Your token has expired.");
    await expect(page.getByRole("navigation", { name: "Views" })).toHaveCount(0);
    await undo();
    await page.goto(`${demo.url}/console${path}#${demo.link().split("#")[1]}`);
    await expect(heading(page, name)).toBeVisible();
    await settled(page);
  }
});

test("what is there stays when it cannot be loaded again, with a form that somebody fills in", async ({ page }) => {
  const instance = await demo.customer("staying");
  await demo.lineItem(instance, "STAY-1", 1000, { rateTableSeries: "" });
  await page.goto(demo.linkTo(`/customers/${instance}`));
  await page.getByRole("button", { name: "Top up STAY-1" }).click();
  const field = page.getByRole("dialog").getByLabel("Tokens to add");
  await field.fill("250");
  await page.route("**/balance", (route) => route.fulfill({ status: 500, json: { detail: "the disk is full" } }));
  await expect(page.getByText("What is shown is as of").first()).toBeAttached();
  await expect(field).toHaveValue("250");
  await page.unroute("**/balance");
  await expect(page.getByText("What is shown is as of")).toHaveCount(0); // and it comes back by itself
  await expect(field).toHaveValue("250");
});

test("an address that leads nowhere says so: a customer that is not there, and one that cannot be read", async ({ page }) => {
  await signIn(page);
  await go(page, "/customers/0197d2c4-0000-7000-8000-000000000000");
  await expect(page.getByRole("alert")).toHaveCount(1);
  await expect(page.getByRole("alert")).toContainText("0197d2c4-0000-7000-8000-000000000000");
  await accessible(page);
  await page.goto(`${demo.url}/console/customers/%E0%A4`);
  await expect(page.getByRole("alert")).toHaveCount(1);
  await expect(page.getByRole("navigation", { name: "Views" })).toBeVisible();
});
