// What all pages have in common, in a real Chromium in front of a real gateway. Where there is no browser the
// tests of pages are skipped, and their names say so; in CI there must be one.

import assert from "node:assert/strict";
import { openView, pageTest, seen, startOpen } from "./page_stand.ts";

pageTest("a gateway that goes and comes back is found again", async (browser) => {
  await using fleet = await startOpen();
  const { page } = await openView(browser, fleet);
  fleet.gateway.signal("SIGSTOP");
  await page.waitForSelector(".connection.lost", { timeout: 60_000 });
  fleet.gateway.signal("SIGCONT");
  await page.waitForSelector(".connection.live", { timeout: 60_000 });
});

pageTest("the words are Chinese where the browser is, and can be switched", async (browser) => {
  await using fleet = await startOpen();
  const { page, complaints } = await openView(browser, fleet, "fleet", { locale: "zh-CN" });
  await seen(page, "tr[data-instance=sim-0] .chip", /正常/);
  assert.equal(await page.getAttribute("html", "lang"), "zh");
  for (const [view, title] of [["events", "事件"], ["config", "配置"], ["playground", "试用"]]) {
    await page.goto(`${fleet.gateway.url}/dashboard/#/${view}`);
    await seen(page, "main h1", new RegExp(title));
  }
  await page.getByRole("button", { name: "English" }).click();
  await seen(page, "main h1", /Playground/);
  await page.reload();
  await seen(page, "main h1", /Playground/);
  assert.deepEqual(complaints, []);
});
