// What tests of single pages share: one browser, a fleet whose dashboard shows everything to this host, and
// waiting for what is on a page.

import assert from "node:assert/strict";
import axe from "npm:axe-core@4.14.1";
import type { Browser, Page } from "npm:playwright-core@1.65.1";
import { type Fleet, type FleetOptions, startFleet } from "../faults/fleet.ts";
import { waitFor } from "../support/wait.ts";
import {
  browserPath,
  openPage,
  type PageOptions,
  startBrowser,
  type WatchedPage,
} from "./browser.ts";

export const TOKEN = "correct-horse-battery";
const absent = browserPath() === null && Deno.env.get("CI") === undefined;

/** One browser for the tests of a file; each has contexts of its own in it. */
let shared: ReturnType<typeof startBrowser> | null = null;
Deno.test.afterAll(async () => {
  await (await shared)?.[Symbol.asyncDispose]();
});

/** A test in the browser, which has no page open when it begins. */
export function pageTest(name: string, body: (browser: Browser) => Promise<void>): void {
  Deno.test({
    name: absent ? `${name} (skipped: no Chromium on this machine)` : name,
    // Without a browser there is nothing to test; CI does not skip.
    ignore: absent,
    // Playwright keeps its connection to the browser process in ways that Deno's sanitizers count.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      shared ??= startBrowser();
      const { browser } = await shared;
      try {
        await body(browser);
      } finally {
        for (const context of browser.contexts()) await context.close();
      }
    },
  });
}

export function startOpen(options: FleetOptions = {}): Promise<Fleet> {
  return startFleet({
    ...options,
    config: { admin: { token: TOKEN, local: true }, ...options.config },
  });
}

export async function openView(
  browser: Browser,
  fleet: Fleet,
  view = "fleet",
  options: PageOptions = {},
): Promise<WatchedPage> {
  const watched = await openPage(browser, `${fleet.gateway.url}/dashboard/#/${view}`, options);
  await watched.page.waitForSelector(".connection.live");
  return watched;
}

export function seen(
  page: Page,
  selector: string,
  pattern: RegExp,
  deadlineMs = 60_000,
): Promise<void> {
  return waitFor(
    async () => pattern.test((await page.locator(selector).allInnerTexts()).join("\n")),
    `${pattern} in ${selector}`,
    deadlineMs,
  );
}

/** What stands in the one element that `selector` finds. */
export function text(page: Page, selector: string): Promise<string> {
  return page.locator(selector).innerText();
}

/** Gives the token where the page offers to take it. */
export async function signIn(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Sign in", exact: true }).first().click();
  await page.locator("#token").fill(TOKEN);
  await page.keyboard.press("Enter");
}

/** How people see a page. */
export const LOOKS = [
  { colorScheme: "light", width: 1280 },
  { colorScheme: "light", width: 390 },
  { colorScheme: "dark", width: 1280 },
  { colorScheme: "dark", width: 390 },
] as const;

/** Finds no fault by axe in `view`, in all looks; `ready` makes it whole first. */
export async function accessible(
  browser: Browser,
  fleet: Fleet,
  view: string,
  ready: (page: Page) => Promise<unknown>,
): Promise<void> {
  for (const look of LOOKS) {
    const page = await pageForAxe(browser, look);
    await page.goto(`${fleet.gateway.url}/dashboard/#/${view}`);
    await page.waitForSelector(".connection.live");
    await ready(page);
    await faultless(page, `${view}, ${look.colorScheme}, ${look.width}`);
    await page.context().close();
  }
}

/** The policy forbids what axe does; it is in force in all other tests. */
export async function pageForAxe(
  browser: Browser,
  { colorScheme, width }: typeof LOOKS[number],
): Promise<Page> {
  const viewport = { width, height: 800 };
  const context = await browser.newContext({ bypassCSP: true, colorScheme, viewport });
  return await context.newPage();
}

/** The page as it is has no fault that axe finds, and does not scroll sideways. */
export async function faultless(page: Page, what: string): Promise<void> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(`axe.run().then(({ violations }) => violations.map(
    ({ id, nodes }) => id + ": " + nodes.map(({ html }) => html.slice(0, 200)).join(" | ")
  ))`);
  assert.deepEqual(found, [], what);
  const wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
  assert.ok(Number(wide) <= 0, `${what} scrolls sideways by ${wide}`);
}
