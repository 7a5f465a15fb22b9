// The page of records in a real Chromium.

import assert from "node:assert/strict";
import { waitFor } from "../support/wait.ts";
import { openView, pageTest, seen, startOpen, text } from "./page_stand.ts";

pageTest("records are searched and read, with reasoning apart", async (browser) => {
  await using fleet = await startOpen({ simulate: ["--reasoning", "8"] });
  for (const content of ["What is a lease?", "什么是租约？"]) {
    await (await fleet.chat({ messages: [{ role: "user", content }] })).text();
  }
  await fleet.simulators.fail(0, "cut-clean:2", { count: 1 });
  await fleet.records(2, 0);
  const { page, complaints } = await openView(browser, fleet, "records");
  await seen(page, ".list", /租约[^]*What is a lease/);
  await page.getByLabel("Search").fill("LEASE?");
  await page.keyboard.press("Enter");
  await waitFor(async () => await page.locator(".list a").count() === 1, "one record");
  await page.locator(".list a").press("Enter");
  await page.waitForSelector(".message.assistant .reasoning");
  assert.match(await text(page, ".message.user"), /What is a lease\?/);
  assert.notEqual((await text(page, ".message.assistant .reasoning .said-text")).trim(), "");
  assert.doesNotMatch(await text(page, ".reader"), /<think>/);
  // The reader's place moves to the conversation once that is drawn.
  await page.waitForFunction("document.activeElement.className === 'record-id'");
  await page.getByLabel("Search").fill("no such words");
  await page.keyboard.press("Enter");
  await seen(page, ".list", /Nothing found/);
  assert.deepEqual(complaints, []);
});
