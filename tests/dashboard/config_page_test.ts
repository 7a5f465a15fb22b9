// The page of the configuration in a real Chromium: without secrets, and what is wrong with a file.

import assert from "node:assert/strict";
import { openView, pageTest, seen, signIn, startOpen } from "./page_stand.ts";

pageTest(
  "the configuration is shown without its secrets, and a refused file with its place",
  async (browser) => {
    await using fleet = await startOpen({ each: () => ({ api_key: "sk-very-secret" }) });
    const { page, complaints } = await openView(browser, fleet, "config");
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
