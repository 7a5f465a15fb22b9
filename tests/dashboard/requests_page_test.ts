// The page of requests in a real Chromium: found by filters, told step by step, reached from everywhere.

import assert from "node:assert/strict";
import type { Fleet } from "../faults/fleet.ts";
import { waitFor } from "../support/wait.ts";
import { fillQueue, holdReads } from "./held_reads.ts";
import { accessible, openView, pageTest, seen, startOpen, TOKEN } from "./page_stand.ts";

/** One that failed over, one that nobody knows the model of, and one that was answered. */
async function withHistory(fleet: Fleet): Promise<void> {
  await fleet.simulators.fail(0, "500", { count: 1 });
  await fleet.simulators.fail(1, "500", { count: 1 });
  const ask = async (id: string, more: Record<string, unknown> = {}) =>
    await (await fleet.chat(more, { headers: { "x-request-id": id } })).text();
  await ask("moved", { stream: true });
  await ask("lost", { model: "<b>nope</b>" });
  await ask("usual");
  await fleet.records(2, 0);
}

pageTest("requests are found by filters, and one is told step by step", async (browser) => {
  await using fleet = await startOpen();
  await withHistory(fleet);
  const { page, complaints } = await openView(browser, fleet, "requests");
  await page.waitForSelector("[data-request=usual]");
  assert.equal(await page.locator(".list a").count(), 3);
  await page.getByLabel("Outcome").selectOption("failed_over");
  await seen(page, ".list", /^200 complete · \d+ ms\s.* · \d attempts\s*$/);
  assert.match(page.url(), /outcome=failed_over/, "what is asked for can be sent to somebody");
  await page.locator("[data-request=moved]").press("Enter");
  await seen(
    page,
    ".timeline",
    /asked sim-\d[^]*failed 500: [^]*asked[^]*first token[^]*complete, 200/,
  );
  // The reader's place moves once the story is drawn.
  await page.waitForFunction("document.activeElement.className === 'record-id'");
  await page.reload();
  await seen(page, ".timeline", /came in/);
  // The list comes by itself.
  await waitFor(async () => await page.locator(".list a").count() === 1, "the filter to stay");
  await page.getByRole("link", { name: "Question and answer" }).click();
  await seen(page, ".list", /tell me something/);
  await page.locator(".list a").first().click();
  await page.getByRole("link", { name: "Story of a request" }).click();
  await seen(page, ".timeline", /first token/);
  assert.deepEqual(complaints, []);
});

pageTest(
  "text, status and client find what they say, and nothing is run as script",
  async (browser) => {
    await using fleet = await startOpen();
    await withHistory(fleet);
    const { page, complaints } = await openView(browser, fleet, "requests");
    await page.getByLabel("Search").fill("NOPE");
    await page.keyboard.press("Enter");
    await seen(page, ".list", /404 refused[^]*<b>nope<\/b>/);
    await waitFor(async () => await page.locator(".list a").count() === 1, "one request");
    await page.locator("[data-request=lost]").click();
    await seen(page, ".timeline", /refused, 404: .*<b>nope/);
    await page.getByLabel("Search").fill("");
    await page.getByRole("searchbox", { name: "Client" }).fill("10.1.2.3");
    await page.keyboard.press("Enter");
    await seen(page, ".list", /No such request is kept/);
    assert.deepEqual(complaints, []);
  },
);

pageTest(
  "an event, an instance and a playground's answer lead to their requests",
  async (browser) => {
    await using fleet = await startOpen();
    await withHistory(fleet);
    const { page, complaints } = await openView(browser, fleet, "events");
    await page.locator("li[data-kind=failover] a").first().click();
    await page.waitForSelector("[data-request=moved]");
    assert.equal(await page.locator(".list a").count(), 1);
    await page.getByRole("link", { name: "Fleet" }).click();
    await page.getByRole("link", { name: "Instance sim-0" }).click();
    await page.getByRole("main").getByRole("link", { name: "Requests", exact: true }).click();
    await page.waitForSelector("[data-request=moved]");
    await page.getByRole("link", { name: "Playground" }).click();
    await page.locator(".chat textarea").fill("hello");
    await page.getByRole("button", { name: "Send" }).click();
    await page.locator("[data-fact=request_id] a").click();
    await seen(page, ".timeline", /came in[^]*complete, 200/);
    assert.deepEqual(complaints, []);
  },
);

pageTest(
  "the page of requests has no fault that axe finds, and speaks Chinese",
  async (browser) => {
    await using fleet = await startOpen();
    await withHistory(fleet);
    await accessible(
      browser,
      fleet,
      "requests/id=moved",
      (page) => page.waitForSelector(".timeline"),
    );
    const { page } = await openView(browser, fleet, "requests/id=moved", { locale: "zh-CN" });
    await seen(page, ".timeline", /收到请求[^]*发往 sim-\d[^]*失败 500[^]*首 Token[^]*完成，200/);
  },
);

pageTest("failing requests are seen on the fleet's page, and lead to examples", async (browser) => {
  await using fleet = await startOpen();
  for (let i = 0; i < 3; i++) await (await fleet.chat({ model: "nope" })).text();
  await (await fleet.chat()).text();
  await accessible(browser, fleet, "fleet", (page) => page.waitForSelector(".failing"));
  const { page, complaints } = await openView(browser, fleet, "fleet");
  await seen(page, ".totals", /Last hour: 4 requests, 0 lost, 3 refused/);
  await seen(page, ".failing h2", /3 of 4 in the last hour/);
  await seen(
    page,
    ".failing tr[data-status='404']",
    /does not exist[^]*404[^]*127\.0\.0\.1[^]*3[^]*75 %/,
  );
  await page.locator(".failing td a").click();
  await seen(page, ".timeline", /refused, 404/);
  await waitFor(async () => await page.locator(".list a").count() === 3, "the three that failed");
  assert.deepEqual(complaints, []);
});

pageTest(
  "an instance's page says how it is, why and since when, and drains it",
  async (browser) => {
    await using fleet = await startOpen({
      config: {
        admin: { token: TOKEN, local: true },
        health_check: { interval: 0.2, path: "/health", timeout: 10 },
        slow_start: 0,
      },
    });
    await accessible(
      browser,
      fleet,
      "instance/sim-1",
      (page) => page.waitForSelector(".condition"),
    );
    const { page, complaints } = await openView(browser, fleet, "instance/sim-0");
    await seen(page, ".condition", /healthy since the gateway's start/);
    await fleet.simulators.fail(0, "engine-dead", { count: 1 });
    for (let i = 0; i < 2; i++) {
      await (await fleet.chat()).text();
    }
    await seen(page, ".condition", /down for \d+ s: \S+/);
    await seen(page, ".timeline", /failed \d+: \S+/);
    await page.goto(`${fleet.gateway.url}/dashboard/#/fleet`);
    await seen(page, ".to-do", /sim-0: down for \d+ s: \S+[^]*see whether its server runs/);
    await page.locator(".to-do").getByRole("link", { name: "sim-0" }).click();
    await fleet.simulators.reset(0);
    await seen(page, ".condition", /healthy for \d+ s/);
    await page.getByRole("button", { name: "Drain", exact: true }).click();
    await page.locator("#token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await page.waitForSelector("dialog", { state: "detached" });
    await seen(page, ".condition", /draining for \d+ s: drained by hand/);
    await page.getByRole("button", { name: "Undrain" }).click();
    await seen(page, ".chip", /healthy/);
    await page.getByRole("button", { name: "Ask it now" }).click();
    await seen(page, ".probed", /GET \/health: fine[^]*sim-0 answers, and is in service/);
    assert.deepEqual(complaints, []);
  },
);

pageTest(
  "the last hour's curves are there once a minute is over, and outlive a restart",
  async (browser) => {
    await using fleet = await startOpen();
    await (await fleet.chat({ stream: true })).text();
    await fleet.settled();
    const minute = Math.floor(Date.now() / 60_000) - 2;
    const row = [60, 30, 600, 4, 1, 120, 800, 20, 0.5];
    const folder = `${fleet.gateway.dataDir}/history`;
    await Deno.mkdir(folder, { recursive: true });
    const day = new Date(minute * 60_000).toISOString().slice(0, 10).replaceAll("-", "");
    const line = { t: minute, s: { "": row, "i:sim-0": row }, e: ["instance_down sim-0"] };
    await Deno.writeTextFile(`${folder}/${day}.jsonl`, `${JSON.stringify(line)}\n`);
    const { page, complaints } = await openView(browser, fleet, "fleet");
    await seen(page, ".long-history", /Requests\/s[^]*First token p99[^]*down: sim-0/);
    assert.ok(await page.getByRole("img", { name: /First token p99.*highest 800/ }).isVisible());
    await page.locator(".long-history").getByText("Last 7 days").click();
    await seen(page, ".long-history", /Failed\/s/);
    await accessible(browser, fleet, "instance/sim-0", (one) => one.waitForSelector(".marks"));
    assert.deepEqual(complaints, []);
  },
);

pageTest(
  "a look that is refused since many look is told in the reader's words",
  async (browser) => {
    await using fleet = await startOpen();
    const leaving = new AbortController();
    using _ = await holdReads(fleet);
    const { refused, waiting } = await fillQueue(fleet, leaving.signal);
    await refused.text();
    for (
      const [locale, words] of [["en-US", /Try again in a few/], ["zh-CN", /查询过多/]] as const
    ) {
      for (const view of ["requests", "requests/id=x", "records", "keys", "config"]) {
        const { page } = await openView(browser, fleet, view, { locale });
        await seen(page, ".problem", words);
        await page.close();
      }
    }
    leaving.abort();
    await Promise.allSettled(waiting);
  },
);
