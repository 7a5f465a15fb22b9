// Draining by hand: it holds over reloads, says when nothing runs any more, and with --move nobody has to
// wait for that, nor notices.

import assert from "node:assert/strict";
import { join } from "node:path";
import { chatBody, type Fleet, startFleet } from "../faults/fleet.ts";
import { ROOT, startProcess } from "../support/processes.ts";
import { chatText, readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";

const TOKEN = "correct-horse-battery";
const config = { admin: { token: TOKEN, local: true } };

async function ran(fleet: Fleet, ...args: string[]) {
  await using child = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), ...args, "--url", fleet.gateway.url],
    env: { ADMIN_TOKEN: TOKEN },
  });
  const { code } = await child.status;
  return { code, err: child.stderr() };
}

/** The same for what runs while the command is started and does its work, however long that takes. */
async function drained(fleet: Fleet, instance: string) {
  return await (await fleet.frozen(async () => {
    const running = ran(fleet, "drain", instance, "--move", "--wait");
    await waitFor(
      () => /requests under way go on elsewhere/.test(fleet.gateway.output()),
      () => `it to be drained; ${fleet.gateway.output()}`,
    );
    return { running };
  })).running;
}

async function stateOf(fleet: Fleet, index: number) {
  return (await fleet.health()).instances[index];
}

const asked = (
  index: number,
) => [{ role: "user", content: `tell me a long story, number ${index}` }];

/** An answer of ten seconds: a command is started and has done its work long before. */
const LONG = { max_tokens: 400, ignore_eos: true };
const SHORTER = { ...LONG, max_tokens: 250 };

/** Streams that last for a while, begun at both instances. */
async function longStreams(fleet: Fleet, count: number, more: Record<string, unknown> = {}) {
  const streams = Array.from(
    { length: count },
    async (_, index) => {
      const messages = asked(index);
      const response = await fleet.chat({ stream: true, ...LONG, messages, ...more });
      return await readSse(response);
    },
  );
  // Where a test fails before it comes to them, its own error is the one to be told.
  for (const stream of streams) stream.catch(() => {});
  const begun = async () => {
    const all = await Promise.all(fleet.simulators.urls.map((_, index) => fleet.asked(index)));
    return all.flat().filter(({ tokens_sent }) => tokens_sent > 4).length;
  };
  await waitFor(async () => await begun() === count, "all streams to have begun");
  return streams;
}

Deno.test("a drained instance stays so over a reload, until it is undrained", async () => {
  await using fleet = await startFleet({ config });
  const { code, err } = await ran(fleet, "drain", "sim-0", "--wait");
  assert.equal(code, 0, err);
  assert.match(err, /sim-0 gets no new requests until it is undrained\n.*nothing runs at sim-0/s);
  const text = await Deno.readTextFile(fleet.gateway.configPath);
  await fleet.gateway.writeConfig(text.replace('"error_threshold":1000', '"error_threshold":999'));
  const response = await fetch(`${fleet.gateway.url}/dashboard/api/reload`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  assert.equal((await response.json()).ok, true);
  assert.equal((await stateOf(fleet, 0)).state, "draining");
  for (let i = 0; i < 4; i++) await (await fleet.chat()).text();
  assert.deepEqual(await fleet.counts(), [0, 4]);
  assert.equal((await ran(fleet, "undrain", "sim-0")).code, 0);
  assert.equal((await stateOf(fleet, 0)).state, "healthy");
  const again = await ran(fleet, "undrain", "sim-0");
  assert.equal(again.code, 1);
  assert.match(again.err, /answered 409: sim-0 was not drained/);
  const unknown = await ran(fleet, "drain", "gpu-9");
  assert.match(unknown.err, /answered 404: no instance is named gpu-9/);
  const near = await ran(fleet, "drain", "sim-00");
  assert.match(near.err, /no instance is named sim-00; did you mean sim-0\?/);
});

Deno.test("--move frees an instance at once, and each stream is what it would have been", async () => {
  await using fleet = await startFleet({
    simulate: ["--tokens-per-second", "40"],
    config: { ...config, resume: "exact" },
  });
  const streams = await longStreams(fleet, 8);
  const direct = streams.map(async (_, index) => {
    const response = await fetch(`${fleet.simulators.origins[1]}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(chatBody({ stream: true, ...LONG, messages: asked(index) })),
    });
    return await readSse(response);
  });
  for (const one of direct) one.catch(() => {});
  const wholes = Array.from({ length: 2 }, () => fleet.chat(LONG));
  await waitFor(
    async () => (await fleet.health()).instances.every(({ in_flight }) => in_flight >= 5),
    "whole answers on their way, too",
  );
  const { code, err } = await drained(fleet, "sim-0");
  assert.equal(code, 0, err);
  assert.match(err, /[45] requests under way go on elsewhere\n/);
  assert.equal((await stateOf(fleet, 0)).in_flight, 0);
  assert.ok((await stateOf(fleet, 1)).in_flight >= 8, "the streams go on, and it is free already");
  await Promise.all(streams.map(async (stream, index) => {
    const answer = await stream;
    assert.equal(answer.done, true);
    assert.equal(chatText(answer).content, chatText(await direct[index]).content);
  }));
  for (const response of await Promise.all(wholes)) assert.equal(response.status, 200);
  const { recent_errors, in_flight } = await stateOf(fleet, 0);
  assert.deepEqual([recent_errors, in_flight], [0, 0], "it has done nothing wrong");
  // deno-lint-ignore no-explicit-any -- as the dashboard has them
  let requests: any[] = [];
  await waitFor(async () => {
    const url = `${fleet.gateway.url}/dashboard/api/requests?instance=sim-0&outcome=resumed`;
    requests = (await (await fetch(url)).json()).requests;
    return requests.length === 4;
  }, () => `four that were resumed: ${JSON.stringify(requests)}`);
  assert.equal(requests[0].attempts[0].outcome, "moved");
  assert.equal(requests[0].resumes[0].way, "exact");
});

Deno.test("what has nowhere to go finishes where it is, and it is said how many", async () => {
  await using fleet = await startFleet({
    count: 1,
    simulate: ["--tokens-per-second", "40"],
    config,
  });
  const streams = await longStreams(fleet, 3, SHORTER);
  const { code, err } = await drained(fleet, "sim-0");
  assert.equal(code, 0, err);
  assert.match(err, /0 requests under way go on elsewhere; 3 cannot be moved and finish there/);
  for (const stream of streams) assert.equal((await stream).done, true);
});

Deno.test("a stream that could not go on at the very token stays", async () => {
  await using fleet = await startFleet({ simulate: ["--tokens-per-second", "40"], config });
  const streams = await longStreams(fleet, 2, { ...SHORTER, seed: 7 });
  const { err } = await drained(fleet, "sim-0");
  assert.match(err, /0 requests under way go on elsewhere; 1 cannot be moved and finishes there/);
  for (const stream of streams) assert.equal((await stream).done, true);
});

Deno.test("without the token nothing is drained, and it is said what is missing", async () => {
  await using fleet = await startFleet({ config });
  const wrong = await ran(fleet, "drain", "sim-0", "--token", "wrong");
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /answered 401: .*; the one that was sent .* is not the gateway's/);
  assert.equal((await stateOf(fleet, 0)).state, "healthy");
});
