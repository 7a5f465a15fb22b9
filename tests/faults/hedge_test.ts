// An instance that is silent for far longer than usual: another one is asked beside it, the first that answers
// has the request, and nothing of the other is left. "40" is the edge case of docs/decisions/routing.md.

import assert from "node:assert/strict";
import { type GatewayConfig, type GatewayProcess, startGateway } from "../support/processes.ts";
import { recordsOf } from "../support/records.ts";
import { oneOf, waitFor, within } from "../support/wait.ts";
import { startBlackHole } from "./black_hole.ts";
import {
  chunk,
  completion,
  type OddCall,
  type OddServer,
  startOddServer,
  whole,
} from "./odd_server.ts";

const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
/** After twenty quick streams silence of two seconds is long. */
const QUICK = 24;

function stream(call: OddCall, text: string): void {
  call.write(HEAD + chunk({ role: "assistant", content: text }));
  call.write(chunk({}, "stop") + "data: [DONE]\n\n");
  call.end();
}

interface Talker extends AsyncDisposable {
  readonly server: OddServer;
  /** Calls to generate. */
  readonly asked: OddCall[];
  answer: (call: OddCall) => void;
}

/** Streams its name at once, until a test wants another thing. */
async function talker(name: string): Promise<Talker> {
  const asked: OddCall[] = [];
  const server = await startOddServer((call) => {
    if (!call.text.startsWith("POST")) return call.write(whole("{}"));
    asked.push(call);
    self.answer(call);
  });
  const self: Talker = {
    server,
    asked,
    answer: (call) => stream(call, name),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
  return self;
}

const messages = [{ role: "user", content: "hello" }];

async function ask(
  gateway: GatewayProcess,
  more: object = {},
  path = "/v1/chat/completions",
  init: RequestInit = {},
) {
  const begun = performance.now();
  const body = { model: "m", messages, stream: true, ...more };
  const answer = await gateway.post(path, body, init);
  const text = await answer.text();
  const seconds = (performance.now() - begun) / 1000;
  return { status: answer.status, name: answer.headers.get("x-gateway-instance"), text, seconds };
}

/** Two that have answered quick streams. */
async function two(more: GatewayConfig = {}, each: object = {}) {
  const a = await talker("a");
  const b = await talker("b");
  const gateway = await startGateway({
    config: {
      instances: [a, b].map(({ server }, n) => ({
        url: server.url,
        model_name: "m",
        name: "ab"[n],
        ...each,
      })),
      health_check: false,
      workers: 1,
      ...more,
    },
  });
  for (let n = 0; n < QUICK; n++) assert.equal((await ask(gateway)).status, 200);
  a.asked.length = b.asked.length = 0;
  return {
    a,
    b,
    gateway,
    async [Symbol.asyncDispose]() {
      for (const one of [gateway, a, b]) await one[Symbol.asyncDispose]();
    },
  };
}

async function settled(gateway: GatewayProcess): Promise<void> {
  await waitFor(async () => (await gateway.health()).inFlight.every((n) => n === 0), "no leases");
}

/** Nothing at all. */
const mute = () => {};

/** What is usual, and what is too long for it, is told by time alone. */
function timed(name: string, work: () => Promise<void>): void {
  Deno.test(name, () => oneOf(3, work));
}

timed(
  "a hung engine costs its clients seconds with untouched defaults, and is soon found",
  async () => {
    await using s = await two();
    s.a.answer = mute;
    const slow: number[] = [];
    for (let n = 0; n < 10; n++) {
      const { name, status, text, seconds } = await ask(s.gateway);
      assert.equal(status, 200, text);
      assert.equal(name, "b");
      assert.match(text, /\[DONE\]/);
      if (seconds > 1) slow.push(seconds);
    }
    assert.ok(slow.length <= 3, slow.join(" "));
    assert.ok(slow.every((seconds) => seconds < 4.5), slow.join(" "));
    assert.match((await s.gateway.health()).text, /"hung"/);
    await settled(s.gateway);
    // What was closed there is closed.
    await waitFor(() => s.a.asked.every(({ closed }) => closed), "its connections to be closed");
    const lines = await recordsOf(s.gateway, QUICK + 10);
    assert.equal(lines.length, QUICK + 10, "one record each");
  },
);

/** A whole answer in these words. */
function wholeAnswer(call: OddCall, text: string): void {
  call.write(whole(completion(text)));
  call.end();
}

const WHOLE = { stream: false, max_tokens: 16 };

timed(
  "a hung engine costs clients of whole answers seconds, too, and is found by them alone",
  async () => {
    await using s = await two();
    s.a.answer = (call) => wholeAnswer(call, "a");
    s.b.answer = (call) => wholeAnswer(call, "b");
    for (let n = 0; n < QUICK; n++) assert.equal((await ask(s.gateway, WHOLE)).status, 200);
    s.a.answer = mute;
    s.a.asked.length = s.b.asked.length = 0;
    const slow: number[] = [];
    for (let n = 0; n < 10; n++) {
      const { name, status, text, seconds } = await ask(s.gateway, WHOLE);
      assert.equal(status, 200, text);
      assert.equal(name, "b");
      assert.match(text, /"content":"b"/);
      if (seconds > 2) slow.push(seconds);
    }
    assert.ok(slow.length <= 3, slow.join(" "));
    assert.match((await s.gateway.health()).text, /"hung"/);
    await settled(s.gateway);
    await waitFor(() => s.a.asked.every(({ closed }) => closed), "its connections to be closed");
    const lines = await recordsOf(s.gateway, 2 * QUICK + 10);
    assert.equal(lines.length, 2 * QUICK + 10, "one record each");
  },
);

timed("a long whole answer is not asked for twice while its instance gets on", async () => {
  await using s = await two();
  s.a.answer = (call) => wholeAnswer(call, "a");
  s.b.answer = (call) => wholeAnswer(call, "b");
  for (let n = 0; n < QUICK; n++) assert.equal((await ask(s.gateway, WHOLE)).status, 200);
  s.a.asked.length = s.b.asked.length = 0;
  const held: OddCall[] = [];
  s.a.answer = (call) => void held.push(call);
  s.b.answer = (call) => void held.push(call);
  const long = ask(s.gateway, WHOLE);
  await waitFor(() => held.length === 1, "the long one");
  s.a.answer = (call) => stream(call, "a");
  s.b.answer = (call) => stream(call, "b");
  // Both get on with others' streams, for longer than a whole one may be mute: all the while nobody else is to be
  // asked for it.
  const until = performance.now() + 7000;
  let others = 0;
  while (performance.now() < until) {
    assert.equal((await ask(s.gateway)).status, 200);
    others++;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(s.a.asked.length + s.b.asked.length, 1 + others);
  wholeAnswer(held[0], "at last");
  assert.match((await long).text, /at last/);
});

/** What leaves nothing behind, and what an instance says to it. */
const READINGS: Record<string, object> = {
  "/v1/embeddings": { input: ["hello", "world"] },
  "/v1/rerank": { query: "hello", documents: ["world"] },
  "/score": { text_1: "hello", text_2: "world" },
};

Deno.test("40: embeddings, ranks and scores of a hung engine come from another one within seconds", async () => {
  await using s = await two();
  const answer = (name: string) => (call: OddCall) => {
    call.write(whole(JSON.stringify({ from: name, usage: { prompt_tokens: 1, total_tokens: 1 } })));
    call.end();
  };
  s.a.answer = answer("a");
  s.b.answer = answer("b");
  for (let n = 0; n < QUICK; n++) {
    assert.equal(
      (await ask(s.gateway, { input: "hi", stream: false }, "/v1/embeddings")).status,
      200,
    );
  }
  s.a.answer = mute;
  s.a.asked.length = s.b.asked.length = 0;
  const open = Object.entries(READINGS).flatMap(([path, body]) =>
    // One of the two goes to the one that hangs.
    [1, 2].map(() => ask(s.gateway, { ...body, stream: false, messages: undefined }, path))
  );
  for (const { status, name, text } of await Promise.all(open)) {
    assert.deepEqual([status, name], [200, "b"], text);
    assert.equal(JSON.parse(text).from, "b");
  }
  assert.ok(s.a.asked.length > 0);
  await settled(s.gateway);
  await waitFor(() => s.a.asked.every(({ closed }) => closed), "its connections to be closed");
});

/** A stream of /v1/responses with these words. */
function responses(call: OddCall, text: string): void {
  const id = `resp_${text}`;
  const message = { id: "msg_1", type: "message", role: "assistant", status: "completed" };
  const events = [
    { type: "response.created", response: { id, status: "in_progress", output: [] } },
    { type: "response.output_text.delta", item_id: "msg_1", output_index: 0, delta: text },
    {
      type: "response.completed",
      response: {
        id,
        status: "completed",
        output: [{ ...message, content: [{ type: "output_text", text }] }],
      },
    },
  ];
  call.write(
    HEAD +
      events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""),
  );
  call.end();
}

Deno.test("40: a response that nobody is to keep may be asked for twice", async () => {
  await using s = await two();
  s.a.answer = mute;
  s.b.answer = (call) => responses(call, "b");
  const body = { input: "hi", store: false, messages: undefined };
  const open = [1, 2].map(() => ask(s.gateway, body, "/v1/responses"));
  for (const { status, name, text } of await Promise.all(open)) {
    assert.deepEqual([status, name], [200, "b"], text);
    assert.equal(text.match(/"delta":"b"/g)?.length, 1, text);
  }
  assert.ok(s.a.asked.length > 0);
  await settled(s.gateway);
});

Deno.test("40: when both answer at the same time there is one answer, one record and no lease left", async () => {
  await using s = await two();
  const held: (() => void)[] = [];
  // Both say nothing until both are asked, then all at once.
  const hold = (name: string) => (call: OddCall) => held.push(() => stream(call, name));
  const open: Promise<Awaited<ReturnType<typeof ask>>>[] = [];
  s.a.answer = hold("a");
  s.b.answer = (call) => stream(call, "b");
  while (s.a.asked.length < 1) {
    open.push(ask(s.gateway));
    await waitFor(() => s.a.asked.length + s.b.asked.length >= open.length, "the request");
  }
  const before = s.b.asked.length;
  s.b.answer = hold("b");
  await waitFor(() => s.b.asked.length > before, "the other to be asked beside it");
  for (const answer of held.splice(0)) answer();
  const answers = await Promise.all(open);
  for (const { status, name, text } of answers) {
    assert.equal(status, 200);
    assert.equal(text.match(/"content":"[ab]"/g)?.length, 1, text);
    assert.match(text, new RegExp(`"content":"${name}"`));
  }
  await settled(s.gateway);
  const lines = await recordsOf(s.gateway, QUICK + open.length);
  assert.equal(lines.length, QUICK + open.length);
  assert.doesNotMatch((await s.gateway.health()).text, /"hung"|"ejected"/);
});

timed(
  "40: nobody is asked beside it for tools, several answers, responses, or with a limit of one's own",
  async () => {
    await using s = await two();
    await using own = await two({ timeouts: { first_byte: 600 } });
    for (const { a, b } of [s, own]) a.answer = b.answer = mute;
    const tools = [{ type: "function", function: { name: "f", parameters: {} } }];
    const requests: [GatewayProcess, object, string?][] = [
      [s.gateway, { tools }],
      [s.gateway, { n: 2 }],
      [s.gateway, { response_format: { type: "json_object" } }],
      [s.gateway, { input: "hi" }, "/v1/responses"],
      [own.gateway, {}],
    ];
    const end = new AbortController();
    const { signal } = end;
    const open = requests.map(([gateway, more, path]) =>
      // They leave in the end.
      ask(gateway, more, path, { signal }).catch(() => null)
    );
    const all = () => [s.a, s.b, own.a, own.b].flatMap(({ asked }) => asked);
    await waitFor(() => all().length === requests.length, "all requests");
    // For longer than silence is taken for long none of them is to be asked for again. Others get on meanwhile, so
    // that nothing else speaks against a second one.
    s.b.answer = (call) => stream(call, "b");
    const until = performance.now() + 3500;
    let more = 0;
    while (performance.now() < until) {
      s.a.answer = (call) => stream(call, "a");
      assert.equal((await ask(s.gateway)).status, 200);
      more++;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal(all().length, requests.length + more);
    end.abort();
    await Promise.all(open);
  },
);

timed("40: where everybody is as slow nobody is asked twice", async () => {
  await using s = await two();
  const slow = (name: string) => (call: OddCall) => void setTimeout(() => stream(call, name), 3500);
  s.a.answer = slow("a");
  s.b.answer = slow("b");
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(s.gateway)));
  for (const { status } of answers) assert.equal(status, 200);
  assert.equal(s.a.asked.length + s.b.asked.length, 20);
});

Deno.test("a second one that fails leaves the first its time, and the other way round", async () => {
  await using s = await two({ retry: { max_wait: 0 } });
  const held: OddCall[] = [];
  s.a.answer = (call) => void held.push(call);
  const first = async () => {
    for (;;) {
      const before = s.a.asked.length;
      const answer = ask(s.gateway);
      await waitFor(() => s.a.asked.length > before || s.b.asked.length > 0, "a request");
      if (s.a.asked.length > before) return answer;
      await answer;
      s.b.asked.length = 0;
    }
  };
  const answer = first();
  await waitFor(() => held.length === 1, "the silent one to be asked");
  s.b.asked.length = 0;
  s.b.answer = (call) =>
    call.write("HTTP/1.1 500 No\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
  await waitFor(() => s.b.asked.length >= 1, "the second to be asked");
  stream(held[0], "late");
  const { name, text, status } = await answer;
  assert.deepEqual([status, name], [200, "a"], text);
  assert.match(text, /late/);
  await settled(s.gateway);
});

Deno.test("a second one that finds nobody takes none from others", async () => {
  await using s = await two({
    load_balancing_strategy: "round_robin",
    error_threshold: 1000,
    retry: { max_wait: 0 },
  });
  s.a.answer = mute;
  const port = Number(new URL(s.b.server.url).port);
  await s.b.server[Symbol.asyncDispose]();
  const leaving = new AbortController();
  const init = { signal: leaving.signal };
  // Half of them come to the silent one first: more than may be asked for twice.
  const silent = Array.from({ length: 12 }, () => ask(s.gateway, {}, undefined, init).catch(mute));
  await waitFor(async () => {
    const { instances } = JSON.parse((await s.gateway.health()).text);
    return instances[1].recent_errors >= 6 + 4;
  }, "the dead one to be asked beside it");
  await using _again = await startOddServer((call) => stream(call, "b"), port);
  let before: number;
  do {
    before = s.a.asked.length;
    const { name } = await within(ask(s.gateway), "an answer");
    assert.equal(name, "b");
  } while (s.a.asked.length === before);
  leaving.abort();
  await Promise.all(silent);
  await settled(s.gateway);
});

Deno.test({
  name: "a second one that is outrun while it connects takes none from others",
  // Over fetch nobody can tell whether the request has left.
  ignore: Deno.env.get("TEST_TRANSPORT") === "fetch",
  async fn() {
    await using a = await talker("a");
    using b = await startBlackHole();
    await using gateway = await startGateway({
      config: {
        instances: [
          { url: a.server.url, model_name: "m", name: "a", weight: 1000 },
          { url: b.url, model_name: "m", name: "b", weight: 1 },
        ],
        load_balancing_strategy: "round_robin",
        health_check: false,
        workers: 1,
        timeouts: { connect: 600 },
      },
    });
    const held: OddCall[] = [];
    // Of seven at a time four are asked for twice: as many as may be by the first time, and less than that twice.
    for (let round = 1; round <= 2; round++) {
      a.answer = (call) => stream(call, "a");
      for (let n = 0; n < QUICK; n++) assert.equal((await ask(gateway)).name, "a");
      a.answer = (call) => void held.push(call);
      const answers = Array.from({ length: 7 }, () => ask(gateway));
      const beside = async () => (await gateway.health()).inFlight[1];
      await waitFor(async () => await beside() === 4, `round ${round}: four second ones`);
      for (const call of held.splice(0)) stream(call, "late");
      for (const { status, name, text } of await Promise.all(answers)) {
        assert.deepEqual([status, name], [200, "a"], text);
      }
    }
    await settled(gateway);
  },
});
