// The end of the gateway's process: what a signal does to running answers, new requests and records,
// and what is left on the disk when there was no time for a signal.

import assert from "node:assert/strict";
import { chatText, readSse } from "../support/sse.ts";
import { waitFor, within } from "../support/wait.ts";
import { errorOf, type Fleet, startFleet } from "./fleet.ts";

/** Answers of 100 tokens that take four seconds. */
const slow = ["--tokens-per-second", "27", "--tokens", "100"];
const long = { stream: true, max_tokens: 100 };

async function draining(fleet: Fleet): Promise<void> {
  await waitFor(async () => {
    const response = await fetch(`${fleet.gateway.url}/health`);
    const { status } = await response.json();
    if (status !== "draining") return false;
    assert.equal(response.status, 503, "so that a balancer in front looks elsewhere");
    return true;
  }, "/health to say draining");
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal}: running answers end whole, new ones are refused, records are written, exit 0`, async () => {
    await using fleet = await startFleet({ simulate: slow });
    const begun = await Promise.all(Array.from({ length: 6 }, () => fleet.chat(long)));
    const streams = begun.map(readSse);
    const whole = fleet.chat({ max_tokens: 100 });
    await waitFor(
      async () => (await fleet.counts()).some((count) => count === 4),
      "a whole answer to be made as well",
    );
    await fleet.frozen(async () => {
      const counts = (await fleet.health()).instances.map((one) => one.in_flight);
      assert.deepEqual(counts.sort(), [3, 4]);
      fleet.gateway.signal(signal);
      await draining(fleet);
      const error = await errorOf(await fleet.chat(), 503, "ServiceUnavailableError");
      assert.match(error.message, /shutting down/);
    });
    for (const answer of await Promise.all(streams)) {
      assert.equal(answer.error, null);
      assert.ok(answer.done, "to its [DONE]");
      assert.equal(chatText(answer).finishReason, "length");
    }
    const answered = await whole;
    assert.equal(answered.status, 200);
    assert.ok((await answered.json()).choices[0].message.content);
    const status = await within(fleet.gateway.process.status, "the process to end");
    assert.equal(status.code, 0, fleet.gateway.output());
    assert.deepEqual(await fleet.counts(), [4, 3], "the refused one reached nobody");
    await fleet.records(7, 0);
    await assert.rejects(() => fetch(`${fleet.gateway.url}/health`), "nobody listens any more");
  });
}

Deno.test("an idle gateway ends at once, kept connections or not", async () => {
  await using fleet = await startFleet({ config: { drain_timeout: 600 } });
  assert.equal((await (await fleet.chat()).json()).object, "chat.completion");
  // fetch keeps its connections for the next request.
  await fleet.settled();
  fleet.gateway.signal("SIGTERM");
  const status = await within(fleet.gateway.process.status, "the process to end");
  assert.equal(status.code, 0);
  await fleet.records(1, 0);
});

Deno.test("drain_timeout passes: what still runs is cut and recorded as incomplete, exit 0", async () => {
  await using fleet = await startFleet({
    simulate: ["--tokens-per-second", "10", "--tokens", "1000"],
    config: { drain_timeout: 0.3 },
  });
  const begun = [1, 2, 3, 4].map(() => fleet.chat({ stream: true, max_tokens: 1000 }));
  const answers = (await Promise.all(begun)).map(readSse);
  fleet.gateway.signal("SIGTERM");
  const status = await within(fleet.gateway.process.status, "the process to end");
  assert.equal(status.code, 0);
  for (const answer of await Promise.all(answers)) {
    assert.ok(!answer.done, "no [DONE] on a cut answer");
    assert.ok(answer.error !== null || chatText(answer).finishReason === null);
  }
  const { incomplete } = await fleet.records(0, 4);
  for (const { conversations } of incomplete) {
    assert.equal(conversations.at(-1)!.from, "gpt", "with what had come until then");
  }
  for (const index of [0, 1]) {
    await waitFor(
      async () => (await fleet.asked(index)).every(({ aborted }) => aborted),
      `sim-${index} to be told`,
    );
  }
});

Deno.test("a second signal ends at once, what was cut is recorded", async () => {
  await using fleet = await startFleet({
    simulate: ["--tokens-per-second", "10", "--tokens", "1000"],
    config: { drain_timeout: 600 },
  });
  const answer = readSse(await fleet.chat({ stream: true, max_tokens: 1000 }));
  fleet.gateway.signal("SIGTERM");
  await draining(fleet);
  fleet.gateway.signal("SIGINT");
  const status = await within(fleet.gateway.process.status, "the process to end");
  assert.equal(status.code, 0);
  assert.ok(!(await answer).done);
  await fleet.records(0, 1);
});

Deno.test("requests that wait in line are served while draining", async () => {
  await using fleet = await startFleet({
    count: 1,
    each: () => ({ max_concurrency: 1 }),
  });
  let answers: Promise<Response>[] = [];
  await fleet.frozen(async () => {
    answers = [1, 2, 3].map(() => fleet.chat({ max_tokens: 8 }));
    await waitFor(async () => (await fleet.health()).waiting === 2, "two to wait");
    fleet.gateway.signal("SIGTERM");
    await draining(fleet);
  });
  for (const answer of await Promise.all(answers)) {
    assert.equal(answer.status, 200);
    await answer.body?.cancel();
  }
  assert.equal((await within(fleet.gateway.process.status, "the end")).code, 0);
  await fleet.records(3, 0);
});

Deno.test("kill -9 at any moment leaves only whole lines", async () => {
  let lines = 0;
  for (let round = 0; round < 10; round++) {
    await using fleet = await startFleet({ simulate: ["--tokens", "30"] });
    const clients = new AbortController();
    const client = async () => {
      while (!clients.signal.aborted) {
        try {
          const response = await fleet.chat(
            { stream: Math.random() < 0.5, max_tokens: 30 },
            { signal: clients.signal },
          );
          await response.text();
        } catch {
          // The gateway is gone: that is what is tested.
          return;
        }
      }
    };
    const running = Promise.all(Array.from({ length: 8 }, client));
    // Another moment each time, from the first record on.
    const moment = 1 + round * 15;
    await waitFor(
      async () => (await fleet.counts()).reduce((sum, count) => sum + count) >= moment,
      `${moment} requests`,
    );
    await fleet.gateway.kill();
    clients.abort();
    await running;
    for (const folder of ["requests_responses", "incomplete"]) {
      for (const text of await filesIn(`${fleet.gateway.dataDir}/${folder}`)) {
        // The kernel has every write whole: what is there ends with a line's end.
        assert.ok(text === "" || text.endsWith("\n"), `${folder}: …${text.slice(-80)}`);
        for (const line of text.split("\n").slice(0, -1)) {
          assert.ok(JSON.parse(line).conversations.length > 0);
          lines++;
        }
      }
    }
  }
  console.log(`    ${lines} lines, all whole`);
});

async function filesIn(folder: string): Promise<string[]> {
  const texts: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      texts.push(await Deno.readTextFile(`${folder}/${name}`));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return texts;
}
