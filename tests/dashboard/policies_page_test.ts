// The page of policies in a real Chromium: what each did, with links to the requests, and no word of what
// was found.

import assert from "node:assert/strict";
import { waitFor } from "../support/wait.ts";
import { accessible, openView, pageTest, seen, startOpen } from "./page_stand.ts";

const SAID = "The weather is fine. The password is hunter2, and nothing more was said.";
const POLICIES = [
  { name: "words", type: "words", words: ["password is hunter2"], on: "answer", action: "cut" },
  {
    name: "watch",
    type: "words",
    words: ["open sesame"],
    on: "prompt",
    action: "reject",
    mode: "audit",
  },
  { name: "house", type: "system_prompt", text: "Be brief." },
];

pageTest("policies are seen with looks, finds and the answers that were cut", async (browser) => {
  await using fleet = await startOpen({
    count: 1,
    simulate: ["--answer", SAID],
    config: { policies: POLICIES },
  });
  const messages = [{ role: "user", content: "open sesame" }];
  for (let i = 0; i < 2; i++) {
    await (await fleet.chat({ messages, stream: true, max_tokens: 200 })).text();
  }
  const told = async () => {
    const response = await fetch(`${fleet.gateway.url}/dashboard/api/policies`);
    assert.equal(response.status, 200);
    return await response.json();
  };
  let view = await told();
  await waitFor(
    async () => (view = await told()).policies[0].checks === 2,
    () => JSON.stringify(view),
  );
  assert.ok(!/hunter2|sesame/.test(JSON.stringify(view)), "names and figures alone");
  assert.equal(view.times.length, 60);
  const { policies, finds, held } = view;
  assert.deepEqual(
    policies.map(({ name, mode, on, errors }: Record<string, unknown>) => [name, mode, on, errors]),
    [["words", "enforce", "answer", 0], ["watch", "audit", "prompt", 0], [
      "house",
      "enforce",
      "prompt",
      0,
    ]],
  );
  assert.deepEqual(
    finds.map(({ policy, action, model, count }: Record<string, unknown>) =>
      [policy, action, model, count].join(" ")
    ).sort(),
    ["house before demo 2", "watch reject demo 2", "words cut demo 2"],
  );
  assert.ok(held.answers <= 2);
  await waitFor(async () => {
    const kept = await fetch(`${fleet.gateway.url}/dashboard/api/requests?outcome=filtered`);
    return (await kept.json()).requests.length === 2;
  }, "the requests to be kept");

  const { page, complaints } = await openView(browser, fleet, "policies");
  await seen(page, "tr[data-policy=words]", /words\s+words\s+enforce\s+answer\s+2\s+2/);
  await seen(page, "tr[data-find='watch reject']", /prompt\s+audit\s+reject\s+demo\s+2/);
  await seen(page, "figure figcaption", /words/);
  await seen(page, ".cut-answers li", /demo · 127\.0\.0\.1 · .*words/);
  assert.equal(await page.locator("[data-cut]").count(), 2);
  await page.locator("[data-cut]").first().click();
  await seen(page, "[data-fact=policies]", /words \(answer: cut\)/);
  await seen(page, "[data-fact=policies]", /watch \(prompt: reject, audit\)/);
  await seen(page, "[data-fact=outcome]", /cut by a policy/);
  await page.goto(`${fleet.gateway.url}/dashboard/#/policies`);
  await page.locator("tr[data-policy=watch] a").click();
  await page.waitForSelector(".list li");
  assert.equal(await page.locator(".list li").count(), 2);
  assert.deepEqual(complaints, []);
  const chinese = await openView(browser, fleet, "policies", { locale: "zh-CN", width: 390 });
  await seen(chinese.page, "#policies-title", /最近一小时的策略/);
  await seen(chinese.page, "tr[data-policy=watch]", /仅观察/);
  assert.deepEqual(chinese.complaints, []);
  await accessible(
    browser,
    fleet,
    "policies",
    (page) => page.waitForSelector("[data-cut]"),
  );
});

pageTest("without policies the page says so", async (browser) => {
  await using fleet = await startOpen({ count: 1 });
  const { page, complaints } = await openView(browser, fleet, "policies");
  await seen(page, "main", /The configuration has no policies/);
  assert.deepEqual(complaints, []);
});
