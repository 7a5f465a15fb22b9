// A night, told afterwards by somebody who was asleep: what, since when, who was hit, how many answers were
// lost, why, what did the gateway do, is it over, what is to be done. From the pages alone, as a screen reader
// has them, and from the command line alone.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, startProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { openPage } from "./browser.ts";
import { type Night, wholeNight } from "./night.ts";
import { pageTest } from "./page_stand.ts";

/** The eight questions, each with what answers it. `time` is a time of the day. */
const time = /\d\d:\d\d:\d\d/.source;

function assertTold(text: string, night: Night): void {
  const told = (question: string, ...patterns: RegExp[]) => {
    for (const one of patterns) assert.ok(one.test(text), `${question}: ${one} in\n${text}`);
  };
  told(
    "what",
    /down(×\d+)?\s+killed/,
    /down(×\d+)?\s+hangs/,
    /misconfigured(×\d+)?\s+guarded/,
    /misconfigured(×\d+)?\s+renamed/,
    /down(×\d+)?\s+alone/,
    /no answer(×\d+)?\s+big/,
  );
  told("since when", new RegExp(`${time}\\s+(since ${time}\\s+)?down(×\\d+)?\\s+killed`));
  told("who was hit", /502 failed[^]*\bbig\b[^]*127\.0\.0\.1/);
  told(
    "how many answers were lost",
    new RegExp(`\\b${night.lost} lost \\(the last at .*${time}\\)`),
  );
  told(
    "why",
    /connection refused/,
    /no answer to GET \/health within 2 s/,
    /refuses the gateway's own key \(401\)|it refuses the api_key/,
    /does not serve other; its \/v1\/models has: demo|`other` does not exist/,
    /EngineCore encountered an issue/,
  );
  told("what did the gateway do", /failover/, /answered by (paid|\w+)/, /fallback in use/);
  told(
    "is it over",
    /All 5 instances serve/,
    /recovered(×\d+)?\s+killed/,
    /over\s+paid:?\s+Fallback in use/,
    /Clients get their answers|Clients lose answers/,
  );
}

/** At the worst moment: how strong the fleet is, what clients feel, and what is to be done about each. */
function assertAdvised(text: string): void {
  for (
    const one of [
      /Only fallbacks serve: none of 5 instances can/,
      /Clients of big get errors/,
      /big has no instance: bring one of its instances back/,
      /killed: down for [^]*connection refused[^]*killed: see whether its server runs/,
      /hangs: see whether its server runs/,
      /guarded: misconfigured for [^]*guarded: compare its url, its key and its model names/,
      /renamed: compare its url, its key/,
      /Fallbacks answer \(\d+ of \d+ lately\)/,
    ]
  ) assert.ok(one.test(text), `what is to be done: ${one} in\n${text}`);
}

async function ran(...args: string[]) {
  await using child = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), ...args],
  });
  return { code: (await child.status).code, out: child.stdout(), err: child.stderr() };
}

pageTest("a night is told by the pages and by the command line, each alone", async (browser) => {
  await using night = await wholeNight(async ({ url }) => {
    const { page } = await openPage(browser, `${url}/dashboard/#/fleet`);
    await page.locator(".to-do li").first().waitFor();
    assertAdvised(await page.locator("main").innerText());
    const { code, out } = await ran("status", "--url", url);
    assert.equal(code, 0, "a fallback serves");
    assertAdvised(out);
  });
  const { gateway } = night;
  await waitFor(
    async () => {
      const { events } = await (await fetch(`${gateway.url}/dashboard/api/events`)).json();
      return events.some(({ kind, subject }: { kind: string; subject: string }) =>
        kind === "resolved" && subject === "paid"
      );
    },
    "the end of the fallback's use",
  );

  let pages = "";
  const { page, complaints } = await openPage(browser, `${gateway.url}/dashboard/#/fleet`);
  for (
    const [view, ready] of [
      ["fleet", ".failing tbody tr"],
      ["events", ".events li"],
      ["requests/outcome=failing&since=1h", ".list li"],
    ]
  ) {
    await page.goto(`${gateway.url}/dashboard/#/${view}`);
    await page.locator(ready).first().waitFor();
    pages += `${await page.locator("main").innerText()}\n`;
  }
  assertTold(pages, night);
  assert.deepEqual(complaints, []);

  let said = "";
  for (
    const args of [
      ["status", "--url", gateway.url],
      ["events", "--data-dir", gateway.dataDir],
      ["requests", "--data-dir", gateway.dataDir, "--outcome", "failing"],
    ]
  ) {
    const { code, out, err } = await ran(...args);
    assert.equal(code, 0, err);
    said += out;
  }
  assertTold(said, night);
});
