// The page of the fleet in a real Chromium: figures as they are, instances and gateways that come and go.

import assert from "node:assert/strict";
import { startTogether } from "../peers/gateways.ts";
import { waitFor } from "../support/wait.ts";
import { openPage } from "./browser.ts";
import { openView, pageTest, seen, startOpen, text, TOKEN } from "./page_stand.ts";

pageTest("the fleet view shows each instance's figures as they are", async (browser) => {
  await using fleet = await startOpen();
  for (let i = 0; i < 6; i++) await (await fleet.chat({ stream: true })).text();
  const { page, complaints } = await openView(browser, fleet);
  await seen(page, "dd[data-figure=requests]", /^6$/);
  const counts = await fleet.counts();
  for (const index of [0, 1]) {
    const row = `tr[data-instance=sim-${index}]`;
    assert.equal(
      await text(page, `${row} td:nth-of-type(6)`),
      String(counts[index]),
      "requests of the instance",
    );
    assert.equal(await text(page, `${row} .chip`), "healthy");
    assert.equal(await page.locator(`${row} canvas`).count(), 1);
  }
  assert.match(await text(page, "tr[data-model=demo]"), /2 of 2/);
  assert.match(await text(page, ".totals .status"), /All 2 instances serve/);
  assert.deepEqual(complaints, []);
});

pageTest(
  "the fleet view of a gateway shows all gateways, where there are others",
  async (browser) => {
    const instances = [{ url: "http://127.0.0.1:2000", model_name: "m" }];
    const config = { instances, health_check: false, admin: { token: TOKEN, local: true } };
    await using together = await startTogether([config, config]);
    const [first, second] = together.gateways;
    const watched = await openPage(browser, `${first.url}/dashboard/#/fleet`);
    await seen(watched.page, "table.gateways tbody", new RegExp(`:${second.port}\\b`));
    assert.equal(await watched.page.locator("tr[data-gateway]").count(), 2);
    await second.stop();
    await waitFor(
      async () => await watched.page.locator("tr[data-gateway]").count() === 1,
      "the gateway that has ended to be gone",
    );
    assert.deepEqual(watched.complaints, []);
  },
);

pageTest(
  "an instance that dies and returns is seen without a reload of the page",
  async (browser) => {
    await using fleet = await startOpen({
      config: { health_check: { interval: 0.2, path: "/health", timeout: 10 }, slow_start: 0 },
    });
    const { page, complaints } = await openView(browser, fleet);
    await seen(page, "tr[data-instance=sim-0] .chip", /healthy/);
    await fleet.simulators.fail(0, "engine-dead", { count: 1 });
    for (let i = 0; i < 2; i++) await (await fleet.chat()).text();
    await seen(page, "tr[data-instance=sim-0] .chip", /down/);
    await seen(page, ".totals .status", /Only 1 of 2 instances serve/);
    await seen(page, "[aria-live=polite]", /sim-0: (down|failover)/);
    await fleet.simulators.reset(0);
    await seen(page, "tr[data-instance=sim-0] .chip", /healthy/);
    await seen(page, ".totals .status", /All 2 instances serve/);
    await page.getByRole("link", { name: "Events" }).click();
    await seen(page, ".events li[data-kind=instance_down]", /down\s+sim-0/);
    await seen(page, ".events li[data-kind=instance_recovered]", /recovered\s+sim-0/);
    await page.getByText("Problems only").click();
    await seen(page, ".events", /down/);
    assert.equal(await page.locator("li[data-kind=instance_recovered]").count(), 0);
    assert.deepEqual(complaints, []);
  },
);
