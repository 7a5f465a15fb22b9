// Every fault on demand, as a client sees it, and what the instance notes of clients.

import assert from "node:assert/strict";
import { parseFault } from "../../lib/simulate/faults.ts";
import { rawRequest } from "../support/raw_http.ts";
import { chatText } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { type Any, ask, type Stand, stand } from "./stand.ts";

const CHAT = "/v1/chat/completions";
const STREAM = { messages: ask("Hello"), stream: true };

const failing = (it: Stand, fault: string, body: unknown = STREAM) =>
  it.stream(CHAT, body, { "x-simulate-fail": fault });

/** Chunks with text. */
const tokens = (answer: { json: Any[] }) =>
  answer.json.filter((chunk) => chunk.choices?.[0]?.delta.content).length;

Deno.test("a cut stream ends in a broken connection after so many chunks", async () => {
  await using it = await stand();
  for (const fault of ["cut:3", "cut-reset:3"]) {
    const answer = await failing(it, fault);
    assert.notEqual(answer.error, null, fault);
    assert.equal(tokens(answer), 3);
  }
  const clean = await failing(it, "cut-clean:3");
  assert.equal(clean.error, null);
  assert.equal(tokens(clean), 3);
  assert.equal(clean.done, false);
});

Deno.test("an error in the middle is an event, [DONE] and a proper end", async () => {
  await using it = await stand();
  const answer = await failing(it, "error-event:2");
  assert.equal(answer.error, null);
  assert.equal(answer.json.at(-1).error.code, 500);
  assert.equal(answer.done, true);
});

Deno.test("an aborted answer says so and is otherwise well formed", async () => {
  await using it = await stand();
  const answer = await failing(it, "abort:2");
  assert.equal(chatText(answer).finishReason, "abort");
  assert.equal(tokens(answer), 2);
  assert.equal(answer.done, true);
  const whole = await it.json(CHAT, { messages: ask("a") }, { "x-simulate-fail": "abort:0" });
  assert.equal(whole.choices[0].finish_reason, "abort");
  assert.equal(whole.choices[0].message.content, "");
});

Deno.test("a malformed event is one among good ones", async () => {
  await using it = await stand();
  const answer = await failing(it, "malformed:1");
  assert.equal(answer.events.length, answer.json.length + 2);
  assert.equal(chatText(answer).finishReason, "stop");
});

Deno.test("an empty answer has status 200 and nothing, or nothing but [DONE]", async () => {
  await using it = await stand();
  const empty = await failing(it, "empty");
  assert.deepEqual([empty.status, empty.events.length, empty.error], [200, 0, null]);
  const done = await failing(it, "empty-done");
  assert.deepEqual(done.events.map((event) => event.data), ["[DONE]"]);
});

Deno.test("bytes in odd pieces make the same answer", async () => {
  await using it = await stand({ tokens: 12 });
  const plain = chatText(await it.stream(CHAT, STREAM));
  for (const fault of ["split", "drip", "slow-head"]) {
    assert.deepEqual(chatText(await failing(it, fault)), plain, fault);
  }
});

Deno.test("a stalled, hanging or half begun answer never ends, and its client is missed", async () => {
  await using it = await stand();
  for (const fault of ["stall:2", "hang", "hang-headers-sent"]) {
    const body = JSON.stringify(STREAM);
    const answer = await rawRequest({
      port: it.port,
      parts: [
        `POST ${CHAT} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n` +
        `x-simulate-fail: ${fault}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      ],
      deadlineMs: 150,
    });
    assert.equal(answer.ended, "open", fault);
    assert.equal(answer.status, fault === "hang" ? null : 200);
    await waitFor(async () => (await it.requests()).at(-1)!.aborted, `${fault} to be missed`);
  }
  assert.equal((await it.requests())[0].tokens_sent, 2);
});

Deno.test("a connection is reset or closed before the head", async () => {
  await using it = await stand();
  for (const [fault, ended] of [["reset", "reset"], ["close", "closed"]]) {
    const answer = await rawRequest({
      port: it.port,
      parts: [`GET /health HTTP/1.1\r\nhost: a\r\nx-simulate-fail: ${fault}\r\n\r\n`],
    });
    assert.deepEqual([answer.text, answer.ended], ["", ended]);
  }
});

Deno.test("statuses come with their bodies and with Retry-After", async () => {
  await using it = await stand();
  const status = async (fault: string) => {
    const response = await it.post(CHAT, STREAM, { "x-simulate-fail": fault });
    const { error } = await response.json();
    assert.equal(error.code, response.status);
    return [response.status, response.headers.get("retry-after")];
  };
  assert.deepEqual(await status("400"), [400, null]);
  assert.deepEqual(await status("429:retry-after=2"), [429, "2"]);
  assert.deepEqual(await status("500"), [500, null]);
  assert.deepEqual(await status("503:retry-after=0.5"), [503, "0.5"]);
});

Deno.test("faults within a whole answer: half of it, an error, or broken JSON", async () => {
  await using it = await stand();
  const whole = (fault: string) =>
    it.post(CHAT, { messages: ask("a") }, { "x-simulate-fail": fault });
  for (const fault of ["cut:1", "cut-reset:1"]) {
    const response = await whole(fault);
    assert.equal(response.status, 200);
    await assert.rejects(response.text());
  }
  for (const fault of ["cut-clean:1", "malformed:1"]) {
    const text = await (await whole(fault)).text();
    assert.throws(() => JSON.parse(text), SyntaxError);
  }
  const error = await whole("error-event:1");
  assert.equal(error.status, 500);
  await error.body?.cancel();
});

Deno.test("a dead engine answers 500 and is unhealthy until it is reset", async () => {
  await using it = await stand();
  const health = async () => {
    const response = await fetch(`${it.origin}/health`);
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await health(), 200);
  const response = await it.post(CHAT, STREAM, { "x-simulate-fail": "engine-dead" });
  assert.match((await response.json()).error.message, /^EngineCore encountered an issue/);
  assert.equal(await health(), 503);
  assert.equal((await it.post(CHAT, STREAM).then((r) => (r.body?.cancel(), r))).status, 500);
  await it.json("/simulate/reset", {});
  assert.equal(await health(), 200);
});

Deno.test("an instance that refuses connections comes back after its seconds", async () => {
  await using it = await stand();
  await it.json("/simulate/fail", { kind: "refuse:0.3" });
  await waitFor(async () => {
    try {
      (await Deno.connect({ port: it.port })).close();
      return false;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      return true;
    }
  }, "connections to be refused");
  await waitFor(async () => {
    try {
      (await Deno.connect({ port: it.port })).close();
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      return false;
    }
  }, "connections to be taken again");
});

Deno.test("a fault set at run time holds for its count and path", async () => {
  await using it = await stand();
  await it.json("/simulate/fail", { kind: "500", count: 2 });
  const statuses = [];
  for (let request = 0; request < 3; request++) {
    const response = await it.post(CHAT, { messages: ask("a") });
    await response.body?.cancel();
    statuses.push(response.status);
  }
  assert.deepEqual(statuses, [500, 500, 200]);
  // What is shown may be set.
  const shown = { kind: "cut-clean", number: 3, retryAfterS: null, count: 1, probability: 1 };
  const { faults } = await it.json("/simulate/fail", shown);
  assert.deepEqual(faults.at(-1), { ...shown, path: null, word: null });
  await it.json("/simulate/reset", {});
  await it.json("/simulate/fail", { kind: "503:path=/health" });
  const health = await fetch(`${it.origin}/health`);
  await health.body?.cancel();
  assert.equal(health.status, 503);
  await it.json(CHAT, { messages: ask("a") });
});

Deno.test("a fault that waits for a word is met by the request that holds it, a whole server's too", async () => {
  await using it = await stand();
  await it.json("/simulate/fail", { kind: "engine-killed:word=poison" });
  const health = async () => {
    const response = await fetch(`${it.origin}/health`);
    await response.body?.cancel();
    return response.status;
  };
  await it.json(CHAT, { messages: ask("a") });
  assert.equal(await health(), 200);
  const response = await it.post(CHAT, { messages: ask("some poison") });
  assert.match((await response.json()).error.message, /^EngineCore encountered an issue/);
  assert.equal(await health(), 503);
});

Deno.test("a fault is written as a kind, its number, and a probability or count", () => {
  const read = (text: string) => {
    const { kind, number, probability, count, retryAfterS } = parseFault(text);
    return [kind, number, probability, count, retryAfterS];
  };
  assert.deepEqual(read("cut:5"), ["cut", 5, 1, null, null]);
  assert.deepEqual(read("cut:5:0.1"), ["cut", 5, 0.1, null, null]);
  assert.deepEqual(read("cut:5:3"), ["cut", 5, 1, 3, null]);
  assert.deepEqual(read("500:3"), ["500", null, 1, 3, null]);
  assert.deepEqual(read("429:0.5:retry-after=2"), ["429", null, 0.5, null, 2]);
  for (const bad of ["", "nonsense", "cut:x", "500:1.5", "429:retry-after=x"]) {
    assert.throws(() => parseFault(bad), RangeError, bad);
  }
});

Deno.test("a client that leaves stops its generation at once", async () => {
  await using it = await stand({ tokensPerSecond: 100, tokens: 100_000, maxModelLen: 200_000 });
  const leave = new AbortController();
  const response = await fetch(it.origin + CHAT, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(STREAM),
    signal: leave.signal,
  });
  await response.body!.getReader().read();
  assert.equal(await it.metric("vllm:num_requests_running"), 1);
  leave.abort();
  await waitFor(
    async () => await it.metric("vllm:num_requests_running") === 0,
    "the request to be gone",
  );
  assert.equal((await it.requests())[0].aborted, true);
  assert.equal(
    await it.metric(
      'vllm:request_success_total{engine="0",model_name="demo",finished_reason="abort"}',
    ),
    1,
  );
});
