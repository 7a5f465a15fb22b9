// The playground in a real Chromium, in front of a real gateway: streams, stops, code to copy.

import assert from "node:assert/strict";
import { openView, pageTest, seen, signIn, startOpen, text, TOKEN } from "./page_stand.ts";
import { waitFor } from "../support/wait.ts";

pageTest("the playground streams through the gateway, and stops it", async (browser) => {
  await using fleet = await startOpen({
    simulate: ["--tokens-per-second", "40", "--tokens", "400"],
  });
  const { page, complaints } = await openView(browser, fleet, "playground");
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
  const everything = async () => [...await fleet.asked(0), ...await fleet.asked(1)];
  await waitFor(async () => (await everything())[0].aborted, "the instance to stop generating");
  const [asked] = await everything();
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
    await using fleet = await startOpen();
    const { page, complaints } = await openView(browser, fleet, "playground");
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
