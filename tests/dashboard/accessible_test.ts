// The pages for everyone, in a real Chromium: narrow windows, the keyboard alone, screen readers, contrast, what
// axe finds. Where there is no browser the tests are skipped, and their names say so; in CI there must be one.

import assert from "node:assert/strict";
import type { Page } from "npm:playwright-core@1.65.1";
import { makeKey } from "../e2e/access/keyed.ts";
import {
  faultless,
  LOOKS,
  openView as open,
  pageForAxe,
  pageTest,
  startOpen as start,
} from "./page_stand.ts";

const VIEWS = ["fleet", "events", "records", "keys", "policies", "config", "playground"];

/** A page of keys with rows in it, for clients that bring none. */
const KEYED = {
  keys: [
    makeKey("web", { group: "search", note: "the shop", budget: [{ period: "day", tokens: 9 }] })
      .line,
  ],
  groups: [{ name: "search", requests_per_minute: 100 }],
  limits: { requests_per_minute: 4 },
  access: { without_key: "web" },
};

pageTest("a phone shows every view without sideways scrolling", async (browser) => {
  const long = "a-name-that-is-very-long-indeed-".repeat(3);
  await using fleet = await start({
    each: (index) => ({ name: index === 0 ? long : "gpu-1", max_concurrency: 4096 }),
    config: KEYED,
  });
  await (await fleet.chat({ messages: [{ role: "user", content: "x".repeat(3000) }] })).text();
  await fleet.records(1, 0);
  for (const width of [360, 400]) {
    for (const locale of ["en-US", "zh-CN"]) {
      const { page, complaints } = await open(browser, fleet, "fleet", {
        width,
        height: 740,
        locale,
      });
      for (const view of VIEWS) {
        await page.goto(`${fleet.gateway.url}/dashboard/#/${view}`);
        await page.waitForSelector("main h1");
        if (view === "records") {
          await page.locator(".list a").first().click();
          await page.waitForSelector(".reader .message");
        }
        const [wide, window] = await page.evaluate(
          "[document.documentElement.scrollWidth, innerWidth]",
        ) as number[];
        assert.ok(wide <= window, `${view} at ${width}, ${locale}: ${wide}`);
      }
      assert.deepEqual(complaints, []);
      await page.context().close();
    }
  }
});

pageTest(
  "the keyboard alone reaches every view and action, with the focus in sight",
  async (browser) => {
    await using fleet = await start();
    const { page, complaints } = await open(browser, fleet);
    await page.waitForSelector("tr[data-instance=sim-1]");
    const reached: string[] = [];
    for (let i = 0; i < 30 && !reached.includes("Drain sim-1"); i++) {
      await page.keyboard.press("Tab");
      const [name, outline] = await page.evaluate(`[
      document.activeElement.getAttribute("aria-label") ?? document.activeElement.innerText,
      getComputedStyle(document.activeElement).outlineStyle,
    ]`) as string[];
      reached.push(name.split("\n")[0]);
      assert.notEqual(outline, "none", `the focus on ${name}`);
    }
    for (const name of ["Skip to content", "Events", "Playground", "Sign in", "Drain sim-1"]) {
      assert.ok(reached.includes(name), `${name} in ${reached.join(", ")}`);
    }
    await page.reload();
    await page.waitForSelector("tr[data-instance=sim-1]");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate("document.activeElement.id"), "content");
    await page.getByRole("link", { name: "Records" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("search").waitFor();
    assert.deepEqual(complaints, []);
  },
);

pageTest("landmarks, names and roles are there for a screen reader", async (browser) => {
  await using fleet = await start();
  const { page } = await open(browser, fleet);
  await page.waitForSelector("tr[data-instance=sim-1]");
  for (const role of ["banner", "main", "navigation"] as const) {
    assert.equal(await page.getByRole(role).count(), 1, role);
  }
  assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1);
  assert.equal(await page.getByRole("row", { name: /sim-0/ }).count(), 1);
  assert.equal(await page.getByRole("img", { name: /Requests per second of sim-0/ }).count(), 1);
  assert.equal(
    await page.getByRole("link", { name: "Fleet" }).getAttribute("aria-current"),
    "page",
  );
  const unnamed = await page.evaluate(`
    [...document.querySelectorAll("button, a, input, select, textarea")].filter((one) =>
      !(one.getAttribute("aria-label") || one.innerText || one.labels?.[0]?.innerText)
    ).map((one) => one.outerHTML)
  `);
  assert.deepEqual(unnamed, []);
});

/** Each view, and what must be there before it is whole. */
const WHOLE = {
  fleet: "tr[data-instance] canvas",
  requests: ".list a",
  events: ".events li",
  records: ".list a",
  keys: "tr[data-used-by]",
  policies: "main p.muted:not([role])",
  config: "main pre",
  playground: ".chat textarea",
  "instance/sim-0": ".condition",
};

for (const [whose, config] of [["keys", KEYED], ["clients", {}]] as const) {
  pageTest(
    `axe finds no fault in any view, light or dark, wide or narrow, with usage by ${whose}`,
    async (browser) => {
      await using fleet = await start({ count: 1, simulate: ["--reasoning", "8"], config });
      await (await fleet.chat()).text();
      await (await fleet.chat({ model: "nope" })).text();
      await fleet.records(1, 0);
      for (const look of LOOKS) {
        const page = await pageForAxe(browser, look);
        for (const [view, selector] of Object.entries(WHOLE)) {
          const what = `${view}, ${look.colorScheme}, ${look.width}`;
          await page.goto(`${fleet.gateway.url}/dashboard/#/${view}`);
          await page.waitForSelector(".connection.live");
          await page.waitForSelector(selector);
          if (view === "requests" || view === "records") {
            await faultless(page, `${what}, the list`);
            await page.locator(".list a").first().click();
            await page.waitForSelector(
              view === "requests" ? ".timeline" : ".reader .message",
            );
          }
          if (view === "keys" && config === KEYED) {
            await page.locator(".usage").getByText("Model", { exact: true }).click();
            await page.waitForSelector("tr[data-used-by=demo]");
          }
          await faultless(page, what);
        }
        await page.getByRole("button", { name: "Sign in", exact: true }).click();
        await page.waitForSelector("dialog[open]");
        await faultless(page, "the dialog");
        await page.context().close();
      }
    },
  );
}

/** Contrast of an element's text with what it stands on, by WCAG. */
const CONTRAST = `(selector) => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) =>
    c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  ).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const element = document.querySelector(selector);
  let ground = element;
  while (/rgba\\(0, 0, 0, 0\\)/.test(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
  const one = light(parse(getComputedStyle(element).color));
  const two = light(parse(getComputedStyle(ground).backgroundColor));
  return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
}`;

pageTest(
  "the colours follow the system, can be chosen, and keep their contrast",
  async (browser) => {
    await using fleet = await start();
    const ground = (page: Page) =>
      page.evaluate("getComputedStyle(document.body).backgroundColor") as Promise<string>;
    const grounds: string[] = [];
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, complaints } = await open(browser, fleet, "fleet", { colorScheme });
      await page.waitForSelector("tr[data-instance=sim-0]");
      grounds.push(await ground(page));
      for (
        const selector of [".sub", "dt", "thead th", ".name", "nav a", "footer", "button.small"]
      ) {
        const contrast = await page.evaluate(
          `(${CONTRAST})(${JSON.stringify(selector)})`,
        ) as number;
        assert.ok(contrast >= 4.5, `${selector} in ${colorScheme}: ${contrast.toFixed(2)}`);
      }
      await page.getByLabel("Colours").selectOption(colorScheme === "light" ? "dark" : "light");
      assert.notEqual(await ground(page), grounds.at(-1));
      await page.reload();
      await page.waitForSelector("tr[data-instance=sim-0]");
      assert.notEqual(await ground(page), grounds.at(-1), "the choice is remembered");
      await page.getByLabel("Colours").selectOption("auto");
      assert.equal(await ground(page), grounds.at(-1));
      assert.deepEqual(complaints, []);
    }
    assert.notEqual(grounds[0], grounds[1]);
  },
);
