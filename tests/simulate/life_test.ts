// The life of an instance as a real vLLM lives it: full, drained, ended, lost, hung, asleep, paused.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, startProcess } from "../support/processes.ts";
import { chatText, type SseAnswer } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { type Any, ask, type Stand, stand } from "./stand.ts";

const CHAT = "/v1/chat/completions";
const BODIES: [string, object][] = [
  [CHAT, { messages: ask("One") }],
  ["/v1/completions", { prompt: "One", max_tokens: 5000 }],
  ["/v1/messages", { messages: ask("One"), max_tokens: 5000 }],
  ["/v1/responses", { input: "One" }],
];
const ENDLESS = { tokensPerSecond: 200, tokens: 100_000, maxModelLen: 200_000 };

const running = (it: Stand) => it.metric("vllm:num_requests_running");
const health = async (it: Stand) => {
  const response = await fetch(`${it.origin}/health`);
  await response.body?.cancel();
  return response.status;
};
const refuses = async (it: Stand) => {
  try {
    (await Deno.connect({ port: it.port })).close();
    return false;
  } catch (error) {
    // Between the two the last connection may be taken and dropped.
    if (error instanceof Deno.errors.ConnectionReset) return false;
    if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    return true;
  }
};
const fail = (it: Stand, kind: string) => it.json("/simulate/fail", { kind });

/** Streams of all APIs that run until something happens. */
async function allRunning(it: Stand, waitsForTokens = true): Promise<Promise<SseAnswer>[]> {
  const answers = BODIES.map(([path, body]) => it.stream(path, { ...body, stream: true }));
  await waitFor(async () => await running(it) === 4, "four running requests");
  if (waitsForTokens) {
    await waitFor(
      async () => (await it.requests()).filter(({ tokens_sent }) => tokens_sent > 2).length === 4,
      "tokens on every stream",
    );
  }
  return answers;
}

Deno.test("an instance that is told to end aborts what runs in each API's way, then refuses connections", async () => {
  await using it = await stand(ENDLESS);
  const answers = await allRunning(it);
  const whole = it.json(CHAT, { messages: ask("One") });
  await waitFor(async () => await running(it) === 5, "the fifth");
  await fail(it, "terminate");
  const [chat, completion, message, response] = await Promise.all(answers);
  assert.equal(chatText(chat).finishReason, "abort");
  assert.equal(chat.done, true);
  assert.equal(chatText(completion).finishReason, "abort");
  assert.equal(completion.done, true);
  const delta = message.json.find(({ type }: Any) => type === "message_delta");
  assert.deepEqual(delta.delta, { stop_reason: null, stop_sequence: null });
  assert.equal(message.json.at(-1).type, "message_stop");
  // vLLM has no way to say it here.
  assert.equal(response.json.at(-1).type, "response.completed");
  assert.equal(response.json.at(-1).response.status, "completed");
  const { choices, usage } = await whole;
  assert.equal(choices[0].finish_reason, "abort");
  assert.equal(usage.completion_tokens > 0, choices[0].message.content.length > 0);
  assert.ok([chat, completion, message, response].every(({ error }) => error === null));
  await waitFor(() => refuses(it), "connections to be refused");
});

Deno.test("what is aborted before its first token ends without a finish reason", async () => {
  await using it = await stand({ ttftS: 60 });
  const answers = await allRunning(it, false);
  const wholes = [CHAT, "/v1/messages"].map((path) =>
    it.json(path, { messages: ask("One"), max_tokens: 50 })
  );
  await waitFor(async () => await running(it) === 6, "all six");
  await fail(it, "terminate");
  const [chat, completion, message, response] = await Promise.all(answers);
  assert.deepEqual(chat.json.map(({ choices }: Any) => choices[0].delta), [
    { role: "assistant", content: "" },
  ]);
  assert.equal(chatText(chat).finishReason, null);
  assert.equal(chat.done, true);
  assert.deepEqual(completion.events.map(({ data }) => data), ["[DONE]"]);
  assert.deepEqual(message.json.map(({ type }: Any) => type), [
    ...["message_start", "message_delta", "message_stop"],
  ]);
  assert.equal(message.json[1].delta.stop_reason, "end_turn");
  assert.equal(message.json[1].usage.output_tokens, 0);
  assert.equal(response.json.at(-1).response.usage.output_tokens, 0);
  const [wholeChat, wholeMessage] = await Promise.all(wholes);
  assert.equal(wholeChat.choices[0].finish_reason, "abort");
  assert.equal(wholeChat.choices[0].message.content, "");
  assert.equal("stop_reason" in wholeMessage, false);
});

Deno.test("a drained instance finishes what runs, refuses what comes and looks healthy", async () => {
  await using it = await stand({ tokensPerSecond: 60, tokens: 60 });
  const answer = it.stream(CHAT, { messages: ask("One"), stream: true });
  await waitFor(async () => await running(it) === 1, "a running request");
  await fail(it, "terminate:20");
  for (const [path, body] of BODIES) {
    const refused = await it.post(path, { ...body, stream: true });
    assert.equal(refused.status, 500, path);
    assert.match((await refused.json()).error.message, /^cannot schedule new futures/);
  }
  assert.equal(await health(it), 200);
  assert.equal(chatText(await answer).finishReason, "stop");
  await waitFor(() => refuses(it), "connections to be refused");
});

Deno.test("a lost engine ends every stream in its API's way, is unhealthy and soon gone", async () => {
  await using it = await stand(ENDLESS);
  const answers = await allRunning(it);
  const whole = it.post(CHAT, { messages: ask("One") });
  await waitFor(async () => await running(it) === 5, "the fifth");
  await fail(it, "engine-killed");
  assert.equal(await health(it), 503);
  const [chat, completion, message, broken] = await Promise.all(answers);
  for (const answer of [chat, completion]) {
    assert.match(answer.json.at(-1).error.message, /^EngineCore encountered an issue/);
    assert.deepEqual([answer.json.at(-1).error.code, answer.done, answer.error], [500, true, null]);
  }
  assert.equal(message.json.at(-1).error.type, "internal_error");
  assert.deepEqual([message.done, message.error], [false, null]);
  assert.notEqual(broken.error, null);
  const response = await whole;
  assert.equal(response.status, 500);
  assert.match((await response.json()).error.message, /^EngineCore/);
  await waitFor(() => refuses(it), "connections to be refused");
});

for (const kind of ["engine-hung", "asleep", "paused"]) {
  Deno.test(`an instance that is ${kind} says that it is well, and nothing else`, async () => {
    await using it = await stand(ENDLESS);
    const [chat] = await allRunning(it);
    await fail(it, kind);
    const sent = (await it.requests())[0].tokens_sent;
    const waiting = it.post(CHAT, { messages: ask("One"), stream: true });
    let answered = false;
    waiting.then(() => answered = true);
    for (const path of ["/health", "/v1/models", "/metrics"]) {
      const response = await fetch(it.origin + path);
      assert.equal(response.status, 200, path);
      await response.body?.cancel();
    }
    await it.json("/tokenize", { prompt: "One" });
    assert.equal(
      await it.metric('vllm:engine_sleep_state{engine="0",model_name="demo",sleep_state="awake"'),
      kind === "asleep" ? 0 : 1,
    );
    assert.equal((await it.requests())[0].tokens_sent, sent);
    assert.equal(answered, false);
    await it.json("/simulate/reset", {});
    await (await waiting).body?.cancel();
    await it.json("/simulate/fail", { kind: "terminate" });
    assert.equal(chatText(await chat).finishReason, "abort");
  });
}

Deno.test("development mode has the paths to sleep and to pause, else they are unknown", async () => {
  await using it = await stand({ ...ENDLESS, devMode: true });
  const post = async (path: string) => {
    const response = await fetch(it.origin + path, { method: "POST" });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await post("/sleep?level=1"), 200);
  assert.deepEqual(await it.get("/is_sleeping"), { is_sleeping: true });
  assert.equal(await post("/wake_up"), 200);
  assert.deepEqual(await it.get("/is_sleeping"), { is_sleeping: false });
  const answer = it.stream(CHAT, { messages: ask("One"), stream: true });
  await waitFor(async () => await running(it) === 1, "a running request");
  await waitFor(
    async () => (await it.requests()).some(({ tokens_sent }) => tokens_sent > 0),
    "a token",
  );
  assert.equal(await post("/pause?mode=abort"), 200);
  assert.equal(chatText(await answer).finishReason, "abort");
  assert.deepEqual(await it.get("/is_paused"), { is_paused: true });
  assert.equal(await post("/resume"), 200);
  await using plain = await stand();
  const unknown = await fetch(`${plain.origin}/is_sleeping`);
  assert.equal(unknown.status, 404);
  await unknown.body?.cancel();
});

Deno.test("a full instance says 503 in vLLM's words, without Retry-After, and counts it", async () => {
  await using it = await stand({ ...ENDLESS, maxNumSeqs: 1, maxNumQueuedReqs: 2 });
  const leave = new AbortController();
  const kept = [0, 1].map(() =>
    fetch(it.origin + CHAT, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages: ask("a"), stream: true }),
      signal: leave.signal,
    })
  );
  await Promise.all(kept);
  for (const [path, body] of BODIES) {
    const response = await it.post(path, { ...body, stream: true });
    assert.equal(response.status, 503, path);
    assert.equal(response.headers.get("retry-after"), null);
    const { error } = await response.json();
    assert.match(error.message, /^The engine is currently busy and cannot accept new requests\./);
    if (path !== "/v1/messages") assert.equal(error.code, 503);
    assert.equal(error.type, "Service Unavailable");
  }
  assert.equal(await it.metric("vllm:admission_rejections_total"), 4);
  leave.abort();
  await waitFor(async () => await running(it) === 0, "nobody running");
  const late = await it.stream(CHAT, { messages: ask("a"), stream: true }, {
    "x-simulate-fail": "full-event",
  });
  assert.equal(late.status, 200);
  assert.deepEqual([late.json.length, late.json[0].error.code, late.done], [1, 503, true]);
});

Deno.test("with a late head nothing comes before the first token", async () => {
  await using it = await stand({ ttftS: 60, lateHead: true });
  const waiting = it.post(CHAT, { messages: ask("a"), stream: true });
  let answered = false;
  waiting.then(() => answered = true);
  await waitFor(async () => await running(it) === 1, "a running request");
  await health(it);
  assert.equal(answered, false);
  await fail(it, "terminate");
  assert.equal((await waiting).status, 200);
  await (await waiting).body?.cancel();
});

Deno.test("SIGTERM under --shutdown-timeout lets the running request finish, then ends the process", async () => {
  await using child = startProcess(Deno.execPath(), {
    args: [
      ...["run", "-A", join(ROOT, "tests/support/simulate_main.ts"), "--port", "0"],
      ...["--tokens", "40", "--tokens-per-second", "80", "--shutdown-timeout", "20"],
    ],
  });
  const [, url] = await child.waitForOutput(/listening on (\S+)/);
  const response = await fetch(`${url}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: ask("a"), stream: true }),
  });
  child.signal("SIGTERM");
  assert.match(await response.text(), /"finish_reason":"stop"/);
  assert.equal((await child.status).code, 0);
});
