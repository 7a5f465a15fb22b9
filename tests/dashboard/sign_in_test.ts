// Who may do what from the pages, in a real Chromium: what asks for the token, what is done with it, and where
// it is kept.

import assert from "node:assert/strict";
import { startFleet } from "../faults/fleet.ts";
import { openPage } from "./browser.ts";
import { openView, pageTest, seen, signIn, startOpen, TOKEN } from "./page_stand.ts";

pageTest("drain and undrain ask for the token, then act", async (browser) => {
  await using fleet = await startOpen();
  const { page, complaints } = await openView(browser, fleet);
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
  await using fleet = await startOpen();
  const { page } = await openView(browser, fleet);
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
  const { page, complaints } = await openView(browser, fleet);
  await page.getByRole("button", { name: "Drain sim-0", exact: true }).click();
  await seen(page, "dialog[open]", /no admin\.token\. Set one there/);
  await page.getByRole("button", { name: "Close" }).click();
  await page.waitForSelector("dialog", { state: "detached" });
  assert.deepEqual(complaints, []);
});

pageTest(
  "from another host's name the page asks for the token and keeps it in its tab",
  async (browser) => {
    await using fleet = await startOpen();
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

pageTest("a token that no header can carry is a wrong one, and not kept", async (browser) => {
  await using fleet = await startOpen();
  const url = `http://gateway.localhost:${fleet.gateway.port}/dashboard/`;
  const { page } = await openPage(browser, url);
  for (const wrong of ["w\u00f6rd \u{1f600}", "two words", `${TOKEN}\u200b`]) {
    await page.locator("#token").fill(wrong);
    await page.keyboard.press("Enter");
    await seen(page, "[role=alert]", /not the token/);
    await page.reload();
    await page.locator("#token").waitFor();
  }
  await page.locator("#token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await page.waitForSelector("tr[data-instance=sim-1]");
});

pageTest("a browser that keeps nothing shows the pages, too", async (browser) => {
  await using fleet = await startOpen();
  const url = `http://gateway.localhost:${fleet.gateway.port}/dashboard/`;
  const { page } = await openPage(browser, url);
  await page.addInitScript(`for (const name of ["sessionStorage", "localStorage"]) {
    Object.defineProperty(window, name, { get() { throw new DOMException("no", "SecurityError"); } });
  }`);
  await page.reload();
  await page.locator("#token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await page.waitForSelector("tr[data-instance=sim-1]");
});

pageTest(
  "a tab whose token is no longer the one asks for it, and says nothing else",
  async (browser) => {
    await using fleet = await startOpen({ config: { admin: { token: TOKEN } } });
    const { page } = await openPage(browser, `${fleet.gateway.url}/dashboard/`);
    await page.locator("#token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    const config = JSON.parse(await Deno.readTextFile(fleet.gateway.configPath));
    await fleet.gateway.writeConfig({ ...config, admin: { token: "another-horse-battery" } });
    await seen(page, "main", /This gateway asks for its token/);
    assert.equal(await page.getByRole("button", { name: "Sign out" }).count(), 0);
    assert.equal(await page.locator(".connection").count(), 0);
    await page.locator("#token").fill("another-horse-battery");
    await page.keyboard.press("Enter");
    await page.waitForSelector("tr[data-instance=sim-1]");
    assert.match(await page.locator(".connection").innerText(), /live/);
  },
);
