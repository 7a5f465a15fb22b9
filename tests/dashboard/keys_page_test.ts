// The page of keys and usage in a real Chromium, with keys and without.

import assert from "node:assert/strict";
import { bearer, makeKey } from "../e2e/access/keyed.ts";
import { chatBody } from "../faults/fleet.ts";
import { waitFor } from "../support/wait.ts";
import { openPage } from "./browser.ts";
import { openView, pageTest, seen, startOpen, text, TOKEN } from "./page_stand.ts";

pageTest(
  "the page of keys asks for the token, and shows bars and top users with it",
  async (browser) => {
    const web = makeKey("web", { group: "search", budget: [{ period: "day", tokens: 60 }] });
    const keys = [web.line, makeKey("batch").line];
    await using fleet = await startOpen({
      count: 1,
      config: {
        keys,
        groups: [{ name: "search", requests_per_minute: 100 }],
        limits: { requests_per_minute: 4 },
        admin: { token: TOKEN },
      },
    });
    const post = async () => {
      const response = await fetch(`${fleet.gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { ...bearer(web.key).headers, "content-type": "application/json" },
        body: JSON.stringify(chatBody()),
      });
      assert.equal(response.status, 200, await response.text());
    };
    for (let i = 0; i < 2; i++) await post();
    const { page, complaints } = await openPage(browser, `${fleet.gateway.url}/dashboard/#/keys`);
    await page.waitForSelector("form.sign-in");
    assert.equal(await page.locator("tr[data-key]").count(), 0);
    await page.locator("#token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await seen(
      page,
      "tr[data-key=web] [data-limit=requests_per_minute]",
      /[12] of 4 requests\/min/,
    );
    await seen(
      page,
      "tr[data-key=search] [data-limit=requests_per_minute]",
      /\d of 100 requests\/min/,
    );
    await seen(page, "tr[data-key=web] [data-budget=day]", /of 60 tokens/);
    assert.match(await text(page, "[data-user=web]"), /web\s+100 % · .* tokens · 2 requests/);
    const width = (row: string) =>
      page.evaluate(`document.querySelector("${row} .bar span").style.width`) as Promise<string>;
    // It fills up while the browser starts.
    assert.match(await width("tr[data-key=web] [data-limit=requests_per_minute]"), /^(25|50)%$/);
    // More than there was, without a reload of the page.
    await post();
    await seen(page, "tr[data-key=web] .day", /3 requests/);
    assert.ok(await page.locator("tr[data-key=web] .bar.full").count() > 0, "the day's budget");
    await page.getByText("This month").first().click();
    await seen(page, "[data-user=web]", /3 requests/);
    await seen(page, "tr[data-used-by=web]", /web[^]*\b[23]\b/);
    await page.locator(".usage").getByText("Model", { exact: true }).click();
    await seen(page, "tr[data-used-by=demo]", /demo/);
    const downloading = page.waitForEvent("download");
    await page.locator(".usage").getByRole("button", { name: "CSV" }).click();
    const path = await (await downloading).path();
    assert.match(await Deno.readTextFile(path), /^model,requests,prompt[^]*\r\ndemo,/);
    await page.getByRole("searchbox").fill("batch");
    await waitFor(async () => await page.locator("tr[data-key=web]").count() === 0, "the search");
    await seen(page, "table.keys .name", /batch/);
    const refused = complaints.filter((one) => !one.includes("401"));
    assert.deepEqual(refused, []);
  },
);

pageTest(
  "without keys the page of usage has a line and a curve for each client",
  async (browser) => {
    await using fleet = await startOpen({ count: 1 });
    for (let i = 0; i < 2; i++) await (await fleet.chat()).text();
    const { page, complaints } = await openView(browser, fleet, "keys");
    const booked = async () => {
      const response = await fetch(`${fleet.gateway.url}/dashboard/api/usage?by=client`);
      return (await response.json()).total.requests === 2;
    };
    await waitFor(booked, "both requests in the file");
    await page.reload();
    await seen(page, "tr[data-used-by='127.0.0.1']", /127\.0\.0\.1[^]*\b2\b/);
    await seen(page, "main", /The configuration has no keys/);
    await page.getByRole("button", { name: "127.0.0.1" }).click();
    await page.waitForSelector("tr[data-used-by='127.0.0.1'] [aria-pressed=true]");
    const downloading = page.waitForEvent("download");
    await page.locator(".usage").getByRole("button", { name: "CSV" }).click();
    const path = await (await downloading).path();
    assert.match(await Deno.readTextFile(path), /^client,requests,[^]*\r\n127\.0\.0\.1,2,/);
    assert.deepEqual(complaints, []);
  },
);
