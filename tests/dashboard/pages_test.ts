// The pages in a real Chromium, in front of a real gateway and simulated instances. Where there is no
// browser the tests are skipped, and their names say so; in CI there must be one.

import assert from "node:assert/strict";
import type { Page } from "npm:playwright-core@1.65.1";
import { bearer, makeKey } from "../e2e/access/keyed.ts";
import { chatBody, startFleet } from "../faults/fleet.ts";
import { startTogether } from "../peers/gateways.ts";
import { waitFor } from "../support/wait.ts";
import { openPage } from "./browser.ts";
import { openView as open, pageTest, seen, startOpen as start, TOKEN } from "./page_stand.ts";

const text = (page: Page, selector: string) => page.locator(selector).innerText();

async function signIn(page: Page, token = TOKEN): Promise<void> {
  await page.getByRole("button", { name: "Sign in", exact: true }).first().click();
  await page.locator("#token").fill(token);
  await page.keyboard.press("Enter");
}

pageTest("the fleet view shows each instance's figures as they are", async (browser) => {
  await using fleet = await start();
  for (let i = 0; i < 6; i++) await (await fleet.chat({ stream: true })).text();
  const { page, complaints } = await open(browser, fleet);
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
    await using fleet = await start({
      config: { health_check: { interval: 0.2, path: "/health", timeout: 10 }, slow_start: 0 },
    });
    const { page, complaints } = await open(browser, fleet);
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

pageTest(
  "the page of keys asks for the token, and shows bars and top users with it",
  async (browser) => {
    const web = makeKey("web", { group: "search", budget: [{ period: "day", tokens: 60 }] });
    const keys = [web.line, makeKey("batch").line];
    await using fleet = await start({
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
    await using fleet = await start({ count: 1 });
    for (let i = 0; i < 2; i++) await (await fleet.chat()).text();
    const { page, complaints } = await open(browser, fleet, "keys");
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

pageTest("a gateway that goes and comes back is found again", async (browser) => {
  await using fleet = await start();
  const { page } = await open(browser, fleet);
  fleet.gateway.signal("SIGSTOP");
  await page.waitForSelector(".connection.lost", { timeout: 60_000 });
  fleet.gateway.signal("SIGCONT");
  await page.waitForSelector(".connection.live", { timeout: 60_000 });
});

const ATTACKS = [
  `<img src=x onerror="window.stolen=1">`,
  `<script>window.stolen=1</script>`,
  `"><svg onload=window.stolen=1>`,
  `javascript:window.stolen=1`,
  `</pre></script><iframe srcdoc="<script>parent.stolen=1</script>">`,
  `[x](javascript:window.stolen=1) <a href="javascript:window.stolen=1">x</a>`,
];

pageTest("nothing in a record, a model's name or an error runs as script", async (browser) => {
  await using fleet = await start({
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
  const { page, complaints } = await open(browser, fleet, "records");
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
    await using fleet = await start();
    const { page, complaints } = await open(browser, fleet);
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

pageTest("records are searched and read, with reasoning apart", async (browser) => {
  await using fleet = await start({ simulate: ["--reasoning", "8"] });
  for (const content of ["What is a lease?", "什么是租约？"]) {
    await (await fleet.chat({ messages: [{ role: "user", content }] })).text();
  }
  await fleet.simulators.fail(0, "cut-clean:2", { count: 1 });
  await fleet.records(2, 0);
  const { page, complaints } = await open(browser, fleet, "records");
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

pageTest(
  "the configuration is shown without its secrets, and a refused file with its place",
  async (browser) => {
    await using fleet = await start({ each: () => ({ api_key: "sk-very-secret" }) });
    const { page, complaints } = await open(browser, fleet, "config");
    await seen(page, "pre", /"api_key": "\*{8}"/);
    assert.doesNotMatch(await page.content(), /sk-very-secret|correct-horse/);
    await seen(page, ".facts", /Not reloaded since the start/);
    await signIn(page);
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    const config = await Deno.readTextFile(fleet.gateway.configPath);
    await fleet.gateway.writeConfig(config.replace("error_threshold", "eror_threshold"));
    await page.getByRole("button", { name: "Reload now" }).click();
    await seen(page, ".banner", /refused at .* stays in force[^]*eror_threshold/);
    await seen(page, ".problems", /config\.jsonc:\d+:\d+: eror_threshold: unknown option/);
    await seen(page, ".on-disk", /would be refused[^]*eror_threshold: added: 1000/);
    await page.locator("form textarea").fill(config.replace('"error_threshold"', '"port"'));
    await page.getByRole("button", { name: "Check", exact: true }).click();
    await seen(page, ".pasted-found", /port: added: 1000/);
    await fleet.gateway.writeConfig(config);
    await page.getByRole("button", { name: "Reload now" }).click();
    await seen(page, ".on-disk", /What the file says is in force/);
    await seen(page, ".facts", /Taken over at \d\d:\d\d:\d\d/);
    await page.waitForSelector(".banner", { state: "detached" });
    assert.deepEqual(complaints, []);
  },
);

pageTest("drain and undrain ask for the token, then act", async (browser) => {
  await using fleet = await start();
  const { page, complaints } = await open(browser, fleet);
  await page.getByRole("button", { name: "Drain sim-0", exact: true }).click();
  await page.waitForSelector("dialog[open]");
  await page.locator("#token").fill("wrong");
  await page.keyboard.press("Enter");
  await seen(page, "dialog [role=alert]", /not the token/);
  await page.locator("#token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog", { state: "detached" });
  // What asked for the token is done with it, without a second press.
  await seen(page, "tr[data-instance=sim-0] .chip", /draining/);
  await seen(page, ".said", /sim-0 gets no new requests/);
  const before = await fleet.counts();
  for (let i = 0; i < 3; i++) await (await fleet.chat()).text();
  assert.equal((await fleet.counts())[0], before[0]);
  await page.getByRole("button", { name: "Undrain sim-0", exact: true }).click();
  await seen(page, "tr[data-instance=sim-0] .chip", /healthy/);
  assert.deepEqual(complaints, []);
});

pageTest("who does not give the token has done nothing", async (browser) => {
  await using fleet = await start();
  const { page } = await open(browser, fleet);
  await page.getByRole("button", { name: "Drain sim-0", exact: true }).click();
  await page.waitForSelector("dialog[open]");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await signIn(page);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  await page.getByRole("button", { name: "Drain sim-1", exact: true }).click();
  await seen(page, "tr[data-instance=sim-1] .chip", /draining/);
  await seen(page, "tr[data-instance=sim-0] .chip", /healthy/);
});

pageTest("without a token in the configuration it is said how to get one", async (browser) => {
  await using fleet = await startFleet();
  const { page, complaints } = await open(browser, fleet);
  await page.getByRole("button", { name: "Drain sim-0", exact: true }).click();
  await seen(page, "dialog[open]", /no admin\.token\. Set one there/);
  await page.getByRole("button", { name: "Close" }).click();
  await page.waitForSelector("dialog", { state: "detached" });
  assert.deepEqual(complaints, []);
});

pageTest(
  "from another host's name the page asks for the token and keeps it in its tab",
  async (browser) => {
    await using fleet = await start();
    // The browser goes to the loopback under a name that is none of this host's.
    const url = `http://gateway.localhost:${fleet.gateway.port}/dashboard/`;
    const { page } = await openPage(browser, url);
    await page.locator("#token").waitFor();
    assert.equal(await page.locator("table").count(), 0);
    await page.locator("#token").fill("wrong");
    await page.keyboard.press("Enter");
    await seen(page, "[role=alert]", /not the token/);
    await page.locator("#token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await page.waitForSelector("tr[data-instance=sim-1]");
    assert.doesNotMatch(page.url(), /horse/);
    await page.reload();
    await page.waitForSelector("tr[data-instance=sim-1]");
    assert.equal(await page.evaluate("document.cookie + JSON.stringify(localStorage)"), "{}");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.locator("#token").waitFor();
  },
);

pageTest("the playground streams through the gateway, and stops it", async (browser) => {
  await using fleet = await start({ simulate: ["--tokens-per-second", "40", "--tokens", "400"] });
  const { page, complaints } = await open(browser, fleet, "playground");
  await signIn(page);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  await page.locator(".chat textarea").fill("Tell me everything");
  await page.locator(".chat textarea").press("Control+Enter");
  await seen(page, ".message.assistant .said-text", /\w+/);
  await seen(page, "[data-fact=answered_by]", /sim-\d/);
  await seen(page, "[data-fact=ttft]", /\d+ ms|\d\.\d s/);
  await page.getByRole("button", { name: "Stop" }).click();
  await seen(page, ".facts", /stopped/);
  await fleet.settled();
  const [asked] = [...await fleet.asked(0), ...await fleet.asked(1)];
  assert.ok(asked.aborted, "the instance stops generating");
  assert.doesNotMatch(JSON.stringify(asked.headers), /horse/, "the dashboard's token stays here");
  await page.locator(".chat textarea").fill("");
  await fleet.simulators.fail(0, "400", {});
  await fleet.simulators.fail(1, "400", {});
  await page.locator(".chat textarea").fill("once more");
  await page.getByRole("button", { name: "Send" }).click();
  await seen(page, ".chat [role=alert]", /\w+/);
  assert.equal(await page.locator(".chat textarea").inputValue(), "once more");
  // The browser itself reports the 400 on its console.
  assert.deepEqual(complaints.filter((one) => !/status of 400/.test(one)), []);
});

pageTest(
  "what the playground sends can be copied as code, and one instance asked alone",
  async (browser) => {
    await using fleet = await start();
    const { page, complaints } = await open(browser, fleet, "playground");
    const code = () => text(page, ".playground-code pre");
    await page.locator(".chat textarea").fill(`it's "quoted" $HOME \\ done`);
    await seen(page, ".playground-code pre", /^curl -N .*done/s);
    const curl = await new Deno.Command("bash", { args: ["-c", `${await code()} -s`] }).output();
    assert.match(new TextDecoder().decode(curl.stdout), /^data: \{[^]*\[DONE\]/);
    const sent = [...await fleet.asked(0), ...await fleet.asked(1)].at(-1)!;
    assert.match(JSON.stringify(sent), /it's .*quoted.* \$HOME /);
    await page.locator(".playground-code").getByText("Python").click();
    const python = await code();
    assert.match(python, /base_url="http:\/\/127\.0\.0\.1:\d+\/v1"[^]*stream=True/);
    await page.locator(".playground-code").getByText("Node").click();
    assert.match(await code(), /baseURL: "http[^]*"stream": true/);
    const before = await fleet.counts();
    await page.getByLabel("Only this instance").selectOption("sim-1");
    await page.getByRole("button", { name: "Send" }).click();
    await page.waitForSelector("dialog[open]");
    await page.locator("#token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await seen(page, ".message.assistant .said-text", /\w+/);
    await seen(page, "[data-fact=answered_by]", /sim-1/);
    assert.deepEqual(await fleet.counts(), [before[0], before[1] + 1]);
    await page.getByText("The answer as it came").click();
    await seen(page, ".raw pre", /"object":\s*"chat.completion"/);
    assert.deepEqual(complaints, []);
  },
);

pageTest("the words are Chinese where the browser is, and can be switched", async (browser) => {
  await using fleet = await start();
  const { page, complaints } = await open(browser, fleet, "fleet", { locale: "zh-CN" });
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
