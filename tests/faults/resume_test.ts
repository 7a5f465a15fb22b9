// An instance dies in the middle of a stream: the client's stream goes on, nothing lost or doubled.

import assert from "node:assert/strict";
import { startGateway, startSimulators } from "../support/processes.ts";
import { chatText, readSse, type SseAnswer } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";

const messages = [{ role: "user", content: "tell me something long, please" }];
const ask = (more: Record<string, unknown> = {}) => ({
  model: "demo",
  stream: true,
  stream_options: { include_usage: true },
  messages,
  ...more,
});

async function stand(options: Record<string, unknown> = {}, args: string[] = []) {
  const simulators = await startSimulators({ count: 3, args });
  const gateway = await startGateway({
    config: {
      instances: simulators.urls.map((url, index) => ({
        url,
        model_name: "demo",
        name: `sim-${index}`,
      })),
      retry: { max_wait: 0.5 },
      health_check: false,
      ...options,
    },
  });
  return {
    simulators,
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await simulators[Symbol.asyncDispose]();
    },
  };
}

type Stand = Awaited<ReturnType<typeof stand>>;

async function direct({ simulators }: Stand, path: string, body: unknown): Promise<SseAnswer> {
  return await readSse(
    await fetch(simulators.origins[2] + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );
}

async function lines(dataDir: string, folder: string): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = [];
  try {
    for await (const entry of Deno.readDir(`${dataDir}/${folder}`)) {
      const text = await Deno.readTextFile(`${dataDir}/${folder}/${entry.name}`);
      // A line that is just being written has no newline yet.
      for (const line of text.split("\n").slice(0, -1)) {
        const record = JSON.parse(line);
        found.push({ ...record, meta: JSON.parse(record.meta) });
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

async function noneInFlight({ gateway }: Stand): Promise<void> {
  await waitFor(async () => {
    const health = await (await fetch(`${gateway.url}/health`)).json();
    return health.instances.every((one: { in_flight: number }) => one.in_flight === 0);
  }, "all leases to be released");
}

/** One id, one role, one finish, one [DONE], and the very text that an instance gives by itself. */
function assertSeamless(answer: SseAnswer, whole: SseAnswer): void {
  assert.equal(answer.error, null);
  assert.ok(answer.done, "ends with [DONE]");
  assert.deepEqual({ ...chatText(answer) }, { ...chatText(whole) });
  assert.equal(new Set(answer.json.map((chunk) => chunk.id)).size, 1, "one id");
  assert.equal(new Set(answer.json.map((chunk) => chunk.created)).size, 1, "one time");
  const choices = answer.json.flatMap((chunk) => chunk.choices);
  assert.equal(choices.filter((choice) => choice.delta?.role).length, 1, "one role");
  assert.equal(choices.filter((choice) => choice.finish_reason).length, 1, "one finish");
  const usage = (one: SseAnswer) => one.json.findLast((chunk) => chunk.usage)?.usage;
  for (const field of ["prompt_tokens", "completion_tokens", "total_tokens"]) {
    assert.equal(usage(answer)?.[field], usage(whole)?.[field], field);
  }
}

for (
  const fault of ["cut:5", "cut-reset:9", "cut-clean:3", "abort:7", "error-event:4", "malformed:6"]
) {
  Deno.test(`${fault}: the answer continues on another instance`, async () => {
    await using s = await stand();
    for (const index of [0, 1]) await s.simulators.fail(index, fault, { count: 1 });
    const request = ask({ max_tokens: 40 });
    const whole = await direct(s, "/v1/chat/completions", request);
    for (let i = 0; i < 3; i++) {
      const answer = await readSse(await s.gateway.post("/v1/chat/completions", request));
      assertSeamless(answer, whole);
    }
    await noneInFlight(s);
    await waitFor(
      async () => (await lines(s.gateway.dataDir, "requests_responses")).length === 3,
      "three records",
    );
    const records = await lines(s.gateway.dataDir, "requests_responses");
    const resumes = records.flatMap((record) =>
      (record.meta as { resumed?: { way: string }[] }).resumed ?? []
    );
    assert.deepEqual(resumes.map(({ way }) => way), ["exact", "exact"], "the records say so");
    const texts = records.map((record) => (record.conversations as { value: string }[])[1].value);
    assert.deepEqual(new Set(texts), new Set([chatText(whole).content]));
    assert.equal((await lines(s.gateway.dataDir, "incomplete")).length, 0);
  });
}

Deno.test("a stall past timeouts.idle is resumed", async () => {
  await using s = await stand({ timeouts: { idle: 0.4 } });
  await s.simulators.fail(0, "stall:6", { count: 1 });
  const whole = await direct(s, "/v1/chat/completions", ask());
  const answer = await readSse(await s.gateway.post("/v1/chat/completions", ask()));
  assertSeamless(answer, whole);
  await waitFor(
    async () => (await s.simulators.requests(0)).some((request) => request.aborted),
    "the stalled connection to be closed",
  );
});

Deno.test("several breaks of one answer are each resumed", async () => {
  await using s = await stand();
  await s.simulators.fail(0, "cut:5", { count: 1 });
  await s.simulators.fail(1, "cut:5", { count: 1 });
  const whole = await direct(s, "/v1/chat/completions", ask());
  assertSeamless(await readSse(await s.gateway.post("/v1/chat/completions", ask())), whole);
});

Deno.test("text completions continue too", async () => {
  await using s = await stand();
  await s.simulators.fail(0, "cut:5", { count: 1 });
  const request = { model: "demo", stream: true, prompt: "once upon a time", max_tokens: 30 };
  const text = (answer: SseAnswer) =>
    answer.json.map((chunk) => chunk.choices[0]?.text ?? "").join("");
  const whole = await direct(s, "/v1/completions", request);
  const answer = await readSse(await s.gateway.post("/v1/completions", request));
  assert.ok(answer.done);
  assert.equal(text(answer), text(whole));
});

Deno.test("a reasoning phase is replayed, and agrees", async () => {
  await using s = await stand({}, ["--reasoning", "12"]);
  await s.simulators.fail(0, "cut:5", { count: 1 });
  const whole = await direct(s, "/v1/chat/completions", ask());
  assertSeamless(await readSse(await s.gateway.post("/v1/chat/completions", ask())), whole);
});

Deno.test("a tool call in progress is replayed, with the first stream's call id", async () => {
  await using s = await stand();
  await s.simulators.fail(0, "cut:4", { count: 1 });
  const request = ask({
    tools: [{
      type: "function",
      function: {
        name: "get_weather",
        parameters: { type: "object", properties: { city: { type: "string" } } },
      },
    }],
    tool_choice: "required",
  });
  const whole = await direct(s, "/v1/chat/completions", request);
  const answer = await readSse(await s.gateway.post("/v1/chat/completions", request));
  assert.ok(answer.done, JSON.stringify(answer.json.at(-1)));
  const [call] = chatText(answer).toolCalls;
  const [expected] = chatText(whole).toolCalls;
  assert.equal(call.name, expected.name);
  assert.equal(call.arguments, expected.arguments);
});

Deno.test("the Messages API is replayed", async () => {
  await using s = await stand();
  await s.simulators.fail(0, "cut:5", { count: 1 });
  const request = { model: "demo", stream: true, messages, max_tokens: 30 };
  const text = (answer: SseAnswer) => answer.json.map((event) => event.delta?.text ?? "").join("");
  const kinds = (answer: SseAnswer) =>
    answer.json.map((event) => event.type).filter((type, at, all) => type !== all[at - 1]);
  const whole = await direct(s, "/v1/messages", request);
  const answer = await readSse(await s.gateway.post("/v1/messages", request));
  assert.equal(answer.error, null);
  assert.equal(text(answer), text(whole));
  assert.deepEqual(kinds(answer), kinds(whole));
  await noneInFlight(s);
  await waitFor(
    async () => (await lines(s.gateway.dataDir, "requests_responses")).length === 1,
    "the record",
  );
});

Deno.test("an agent's answer goes on: its system text in blocks, reminders between, tools", async () => {
  const text = (text: string) => ({ type: "text", text });
  const body = {
    ...{ model: "demo", stream: true, max_tokens: 200 },
    system: [text("x-anthropic-billing-header: cc=1"), text("Be kind."), text("\nBe brief.")],
    tools: [{ name: "f", description: "d", input_schema: { type: "object", properties: {} } }],
    messages: [
      { role: "user", content: [text("<reminder>"), text("Tell me something long")] },
      { role: "system", content: [text("# Environment")] },
    ],
  };
  await using s = await stand();
  const said = (answer: SseAnswer) => answer.json.map((event) => event.delta?.text ?? "").join("");
  const whole = await direct(s, "/v1/messages", body);
  for (const at of [8, 30]) {
    for (const index of [0, 1]) await s.simulators.fail(index, `cut:${at}`, { count: 1 });
    const answer = await readSse(await s.gateway.post("/v1/messages", body));
    assert.equal(answer.error, null);
    assert.equal(said(answer), said(whole));
    for (const index of [0, 1]) await s.simulators.reset(index);
  }
});

Deno.test("several choices are replayed, each from where the client has it", async () => {
  for (const path of ["/v1/chat/completions", "/v1/completions"]) {
    await using s = await stand();
    await s.simulators.fail(0, "cut:9", { count: 1 });
    const { messages: _, ...bare } = ask({ n: 2, max_tokens: 20 });
    const request = path.endsWith("chat/completions")
      ? { ...bare, messages }
      : { ...bare, prompt: "tell me" };
    const choices = ({ json }: SseAnswer) =>
      [0, 1].map((index) => {
        const own = json.flatMap((chunk) => chunk.choices ?? [])
          .filter((choice) => choice.index === index);
        return {
          text: own.map((choice) => choice.delta?.content ?? choice.text ?? "").join(""),
          roles: own.filter((choice) => choice.delta?.role).length,
          finish: own.map((choice) => choice.finish_reason).filter(Boolean),
        };
      });
    const whole = await direct(s, path, request);
    const answer = await readSse(await s.gateway.post(path, request));
    assert.ok(answer.done);
    assert.deepEqual(choices(answer), choices(whole));
    assert.equal(new Set(answer.json.map((chunk) => chunk.id)).size, 1);
    assert.deepEqual(answer.json.at(-1).usage, whole.json.at(-1).usage);
  }
});

Deno.test("the Responses API is replayed: one response, numbers without a gap, items closed once", async () => {
  await using s = await stand();
  await s.simulators.fail(0, "cut:8", { count: 1 });
  const request = {
    model: "demo",
    stream: true,
    input: "tell me",
    max_output_tokens: 20,
    temperature: 0,
  };
  const text = (answer: SseAnswer) =>
    answer.json.map((event) => event.type === "response.output_text.delta" ? event.delta : "")
      .join("");
  const kinds = (answer: SseAnswer) =>
    answer.json.map((event) => event.type).filter((type) => !type.endsWith(".delta"));
  const whole = await direct(s, "/v1/responses", request);
  const answer = await readSse(await s.gateway.post("/v1/responses", request));
  assert.equal(text(answer), text(whole));
  assert.deepEqual(kinds(answer), kinds(whole));
  assert.deepEqual(
    answer.json.map((event) => event.sequence_number),
    answer.json.map((_, at) => at),
  );
  const first = answer.json[0].response;
  const last = answer.json.at(-1).response;
  assert.equal(last.id, first.id);
  assert.deepEqual(last.usage, whole.json.at(-1).response.usage);
  const added = answer.json.find((event) => event.type === "response.output_item.added");
  assert.equal(last.output[0].id, added.item.id);
});

Deno.test("a replay that breaks off before the answer's place is made again, many times if need be", async () => {
  await using s = await stand({ error_threshold: 1000 });
  const request = { model: "demo", stream: true, messages, max_tokens: 60, temperature: 0 };
  const whole = await direct(s, "/v1/messages", request);
  await s.simulators.fail(0, "cut:40", { count: 1 });
  for (const index of [0, 1, 2]) await s.simulators.fail(index, "cut:5", { count: 2 });
  const answer = await readSse(await s.gateway.post("/v1/messages", request));
  assert.equal(answer.error, null);
  assert.deepEqual(answer.json.map((event) => event.delta), whole.json.map((event) => event.delta));
  await waitFor(
    async () => (await lines(s.gateway.dataDir, "requests_responses")).length === 1,
    "the record",
  );
  const [record] = await lines(s.gateway.dataDir, "requests_responses");
  const { attempts } = record.meta as { attempts: { outcome: string }[] };
  assert.ok(attempts.filter(({ outcome }) => outcome === "broken").length >= 5);
  await noneInFlight(s);
});

Deno.test("instances that die one after the other near the same place of an answer do not end it", async () => {
  await using s = await stand({ error_threshold: 1000 });
  const request = { model: "demo", stream: true, messages, max_tokens: 60, temperature: 0 };
  const whole = await direct(s, "/v1/messages", request);
  for (const [index, at] of [22, 25, 28].entries()) {
    await s.simulators.fail(index, `cut:${at}`, { count: 2 });
  }
  const answer = await readSse(await s.gateway.post("/v1/messages", request));
  assert.equal(answer.error, null);
  assert.deepEqual(answer.json.map((event) => event.delta), whole.json.map((event) => event.delta));
  await noneInFlight(s);
});

Deno.test("an answer that kills each instance at the same place is given up after few of them", async () => {
  await using s = await stand({ error_threshold: 1000 });
  for (const index of [0, 1, 2]) await s.simulators.fail(index, "cut:20");
  const request = { model: "demo", stream: true, messages, max_tokens: 60, temperature: 0 };
  const answer = await readSse(await s.gateway.post("/v1/messages", request));
  assert.equal(answer.json.at(-1).type, "error");
  const asked = await Promise.all([0, 1, 2].map((index) => s.simulators.requests(index)));
  const posts = asked.flat().filter(({ path }) => path === "/v1/messages");
  assert.ok(posts.length <= 4, `${posts.length} requests`);
  await noneInFlight(s);
});

Deno.test("what cannot be resumed ends with an error event, without [DONE], and is no record", async () => {
  await using s = await stand();
  for (const index of [0, 1, 2]) await s.simulators.fail(index, "cut:5");
  const answer = await readSse(
    await s.gateway.post("/v1/chat/completions", ask({ n: 2, max_tokens: 20 })),
  );
  assert.ok(!answer.done);
  assert.equal(typeof answer.json.at(-1).error.message, "string");
  await waitFor(
    async () => (await lines(s.gateway.dataDir, "incomplete")).length > 0,
    "a line in data/incomplete",
  );
  assert.equal((await lines(s.gateway.dataDir, "requests_responses")).length, 0);
  await noneInFlight(s);
});

Deno.test("resume: off ends honestly at once; per model too", async () => {
  for (const resume of ["off", { default: "continue", models: { demo: "off" } }]) {
    await using s = await stand({ resume });
    await s.simulators.fail(0, "cut:5", { count: 1 });
    const answer = await readSse(await s.gateway.post("/v1/chat/completions", ask()));
    assert.ok(!answer.done && answer.json.at(-1).error);
    const others = await Promise.all([1, 2].map((index) => s.simulators.requests(index)));
    assert.equal(others.flat().filter((request) => request.method === "POST").length, 0);
  }
});

Deno.test("a client that leaves during a resume leaves nothing behind", async () => {
  await using s = await stand({}, ["--tokens-per-second", "20"]);
  await s.simulators.fail(0, "cut:5", { count: 1 });
  const aborter = new AbortController();
  const response = await s.gateway.post("/v1/chat/completions", ask({ max_tokens: 400 }), {
    signal: aborter.signal,
  });
  const reading = readSse(response);
  await waitFor(async () => {
    const seen = await Promise.all([1, 2].map((index) => s.simulators.requests(index)));
    return seen.flat().some((request) => request.tokens_sent > 2);
  }, "the second instance to stream");
  aborter.abort();
  assert.notEqual((await reading).error, null);
  await noneInFlight(s);
  // The instance hears of it from its own socket, which may be a moment later.
  await waitFor(async () => {
    const seen = await Promise.all([1, 2].map((index) => s.simulators.requests(index)));
    return seen.flat().some((request) => request.aborted);
  }, "the second instance to see its client leave");
});

Deno.test("a tool's input in the Messages API is replayed, wherever it broke", async () => {
  await using s = await stand();
  const request = {
    model: "demo",
    stream: true,
    messages,
    max_tokens: 60,
    tools: [{
      name: "get_weather",
      input_schema: { type: "object", properties: { city: { type: "string" } } },
    }],
    tool_choice: { type: "any" },
  };
  const said = (answer: SseAnswer) => ({
    kinds: answer.json.map((event) => event.type).filter((type, at, all) => type !== all[at - 1]),
    blocks: answer.json.filter((event) => event.type === "content_block_start").map((event) =>
      event.content_block.type
    ),
    text: answer.json.map((event) => event.delta?.text ?? event.delta?.partial_json ?? "").join(""),
  });
  const whole = await direct(s, "/v1/messages", request);
  assert.ok(said(whole).blocks.includes("tool_use"));
  for (const cut of [1, 2, 4, 7]) {
    for (const index of [0, 1]) await s.simulators.reset(index);
    await s.simulators.fail(0, `cut:${cut}`, { count: 1 });
    for (let i = 0; i < 3; i++) {
      const answer = await readSse(await s.gateway.post("/v1/messages", request));
      assert.equal(answer.error, null);
      assert.deepEqual(said(answer), said(whole), `cut after ${cut}`);
    }
  }
  await noneInFlight(s);
});
