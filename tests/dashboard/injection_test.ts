// What is shown comes from clients and instances: in a real Chromium none of it runs as script, and what would
// run is stopped by the policy.

import assert from "node:assert/strict";
import { openView, pageTest, startOpen, text } from "./page_stand.ts";

const ATTACKS = [
  `<img src=x onerror="window.stolen=1">`,
  `<script>window.stolen=1</script>`,
  `"><svg onload=window.stolen=1>`,
  `javascript:window.stolen=1`,
  `</pre></script><iframe srcdoc="<script>parent.stolen=1</script>">`,
  `[x](javascript:window.stolen=1) <a href="javascript:window.stolen=1">x</a>`,
];

pageTest("nothing in a record, a model's name or an error runs as script", async (browser) => {
  await using fleet = await startOpen({
    each: () => ({ model_name: ["demo", ATTACKS[0], ATTACKS[2]], upstream_model: "demo" }),
    simulate: ["--answer", ATTACKS.join("\n"), "--reasoning"],
  });
  const tools = [{ type: "function", function: { name: ATTACKS[0], description: ATTACKS[1] } }];
  for (const attack of ATTACKS) {
    const messages = [
      { role: "system", content: attack },
      { role: "user", content: [{ type: "text", text: attack }] },
      {
        role: "assistant",
        content: null,
        tool_calls: [{
          id: "a",
          type: "function",
          function: { name: attack, arguments: JSON.stringify({ attack }) },
        }],
      },
      { role: "tool", tool_call_id: "a", content: attack },
      {
        role: "user",
        content: [
          { type: "text", text: attack },
          { type: "image_url", image_url: { url: attack } },
        ],
      },
    ];
    const response = await fleet.chat({ messages, tools, user: attack }, {
      headers: { "x-request-id": "id-1", "user-agent": attack },
    });
    assert.equal(response.status, 200, await response.text());
  }
  await (await fleet.chat({ model: ATTACKS[0] })).text();
  await fleet.records(ATTACKS.length, 0).catch(() => {
    // How many of the odd requests the instance took does not matter here; some were recorded.
  });
  const { page, complaints } = await openView(browser, fleet, "records");
  await page.waitForSelector(".list a");
  const links = await page.locator(".list a").count();
  assert.ok(links >= ATTACKS.length, `${links} records`);
  for (let index = 0; index < links; index++) {
    await page.locator(".list a").nth(index).click();
    await page.waitForSelector(".reader .message");
    await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");
  }
  assert.match(await text(page, ".reader"), /window\.stolen=1/);
  for (const view of ["fleet", "requests", "events", "config", "playground"]) {
    await page.goto(`${fleet.gateway.url}/dashboard/#/${view}`);
    await page.waitForSelector("main h1");
  }
  await page.selectOption(".parameters select", ATTACKS[0]);
  await page.locator(".chat textarea").fill(ATTACKS.join("\n"));
  await page.getByRole("button", { name: "Send" }).click();
  await page.waitForSelector(".facts [data-fact=request_id]");
  assert.equal(await page.evaluate("window.stolen"), undefined);
  assert.equal(await page.locator("main iframe, main script, main img[src=x]").count(), 0);
  assert.equal(await page.locator('main a[href^="javascript:"]').count(), 0);
  assert.deepEqual(complaints, []);
});

pageTest(
  "a script that got into the page would not run: the policy is in force",
  async (browser) => {
    await using fleet = await startOpen();
    const { page, complaints } = await openView(browser, fleet);
    const ran = await page.evaluate(`new Promise((resolve) => {
    document.addEventListener("securitypolicyviolation", (event) => resolve(event.violatedDirective));
    const script = document.createElement("script");
    script.textContent = "window.stolen = 1";
    document.body.append(script);
    setTimeout(() => resolve("it ran: " + window.stolen), 2000);
  })`);
    assert.match(String(ran), /^script-src/);
    const asked = await page.evaluate(
      `fetch("https://elsewhere.example/").then(() => "sent", String)`,
    );
    assert.match(String(asked), /TypeError/);
    assert.ok(complaints.some((one) => /Content Security Policy/.test(one)));
  },
);

pageTest("a name without end stays in its cell, and widens no field", async (browser) => {
  await using fleet = await startOpen({ each: () => ({ model_name: ["demo", "L".repeat(3000)] }) });
  await (await fleet.chat({ model: `${"M".repeat(3000)}` })).text();
  const { page } = await openView(browser, fleet);
  await page.locator(".failing tbody th").first().waitFor();
  const wide = await page.evaluate(
    `[...document.querySelectorAll("tbody th")].filter((one) => one.scrollWidth > one.clientWidth).length`,
  );
  assert.equal(wide, 0);
  await page.goto(`${fleet.gateway.url}/dashboard/#/requests`);
  const model = page.getByLabel("Model");
  await model.waitFor();
  const box = await model.boundingBox();
  assert.ok(box!.width <= 280, `${box!.width}`);
});
