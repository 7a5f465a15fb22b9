// Whom nobody is asked beside, and second attempts that come to nothing: they take neither the first one's time
// nor what others may ask twice. "40" is the edge case of docs/decisions/routing.md.

import assert from "node:assert/strict";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { waitFor, within } from "../support/wait.ts";
import { startBlackHole } from "./black_hole.ts";
import { type OddCall, startOddServer } from "./odd_server.ts";
import {
  ask,
  mute,
  QUICK,
  settled,
  stream,
  talker,
  timed,
  two,
  WHOLE,
  wholeAnswer,
} from "./talkers.ts";

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
