// A time of day that is set back or forward, as a first look at a time server does: limits, timeouts and
// streams go by another clock, and records stand in the hour that it is.

import assert from "node:assert/strict";
import { join } from "node:path";
import { hourName } from "../../lib/observe/hour_name.ts";
import { exists } from "../support/exists.ts";
import { ROOT, startGateway, temporaryFolder } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { ASK, bearer, makeKey } from "./access/keyed.ts";
import { recordsOf } from "../support/records.ts";
import { chunk, completion, sse, startUpstream } from "../support/upstream.ts";

const HOUR_MS = 3_600_000;

for (const [what, hours] of [["back", -26], ["forward", 26]] as const) {
  Deno.test({
    name: `a time of day that is set ${what} by a day refills no limit and cuts no stream`,
    // There the date in the head, by which this test knows that the gateway sees it, is the runtime's.
    ignore: Deno.env.get("TEST_LISTENER") === "deno_serve",
    fn: () => setBy(hours),
  });
}

async function setBy(hours: number): Promise<void> {
  await using folder = await temporaryFolder();
  const clock = join(folder.path, "clock");
  await Deno.writeTextFile(clock, "0");
  const steps: (() => void)[] = [];
  await using upstream = startUpstream(async ({ text }, request) => {
    if (!text.includes('"stream":true')) return completion("hello");
    const whole = await sse([
      chunk({ role: "assistant", content: "one" }),
      chunk({ content: " two" }, "stop"),
      "[DONE]",
    ]).text();
    const end = whole.indexOf("\n\n") + 2;
    const encoder = new TextEncoder();
    return new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(encoder.encode(whole.slice(0, end)));
          steps.push(() => {
            controller.enqueue(encoder.encode(whole.slice(end)));
            controller.close();
          });
          request.signal.addEventListener("abort", () => steps.push(() => {}));
        },
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
  });
  const web = makeKey("web", { requests_per_minute: 3, tokens_per_minute: 100_000 });
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      keys: [web.line],
      timeouts: { first_byte: 20, idle: 20, answer: 20 },
    },
    main: join(ROOT, "tests/support/set_clock_main.ts"),
    env: { CLOCK_FILE: clock },
  });
  const ask = (more = {}) =>
    gateway.post("/v1/chat/completions", { ...ASK, ...more }, bearer(web.key));
  const stream = await ask({ stream: true });
  await waitFor(() => steps.length === 1, "the stream's beginning");
  assert.equal((await (await ask()).json()).choices[0].message.content, "hello");
  await Deno.writeTextFile(clock, String(hours * HOUR_MS));
  const day = () => new Date(Date.now() + hours * HOUR_MS).toUTCString().slice(0, 16);
  await waitFor(async () => {
    const response = await fetch(`${gateway.url}/health`);
    await response.body?.cancel();
    return response.headers.get("date")?.startsWith(day()) ?? false;
  }, "the gateway to see it");
  assert.equal((await (await ask()).json()).choices[0].message.content, "hello");
  const refused = await ask();
  assert.equal(refused.status, 429, await refused.text());
  const wait = Number(refused.headers.get("retry-after"));
  assert.ok(wait >= 1 && wait <= 20, `${wait} s: a third of a minute, whatever day it is`);
  assert.equal(steps.length, 1, "the stream runs on");
  steps[0]();
  assert.match(await stream.text(), /two.*\[DONE\]/s);
  // In the hour in which each was written, whole.
  const records = await recordsOf(gateway, 3);
  assert.equal(records.length, 3);
  const names = [...Deno.readDirSync(join(gateway.dataDir, "requests_responses"))]
    .map(({ name }) => name);
  const after = new Date(Date.now() + hours * HOUR_MS);
  assert.ok(names.includes(`${hourName(after)}.jsonl`), names.join());
  for (const { meta } of records) {
    const duration_ms = Number(meta.duration_ms);
    assert.ok(duration_ms >= 0 && duration_ms < 60_000, String(duration_ms));
  }
}

Deno.test("a start with a clock years ahead takes no record for old", async () => {
  await using folder = await temporaryFolder();
  const clock = join(folder.path, "clock");
  await Deno.writeTextFile(clock, String(4 * 365 * 24 * HOUR_MS));
  const dataDir = join(folder.path, "data");
  const complete = join(dataDir, "requests_responses");
  await Deno.mkdir(complete, { recursive: true });
  const file = (hoursAgo: number) =>
    join(complete, `${hourName(new Date(Date.now() - hoursAgo * HOUR_MS))}.jsonl`);
  for (const hours of [2, 26, 40 * 24]) await Deno.writeTextFile(file(hours), "{}\n");
  await using upstream = startUpstream(() => Promise.resolve(completion("hello")));
  await using _gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      data_dir: dataDir,
      record: { keep_days: 30 },
    },
    main: join(ROOT, "tests/support/set_clock_main.ts"),
    env: { CLOCK_FILE: clock },
  });
  await waitFor(async () => !await exists(file(40 * 24)), "what is old indeed to be deleted");
  assert.ok(await exists(file(2)) && await exists(file(26)));
});
