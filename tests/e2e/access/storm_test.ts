// Many clients at once, who leave, meet limits and broken instances, while the configuration changes: in the
// end every place is free, and what is booked is what was told.

import assert from "node:assert/strict";
import { startGateway, startSimulators } from "../../support/processes.ts";
import { waitFor } from "../../support/wait.ts";
import { makeKey, type TestKey } from "./keyed.ts";

const CLIENTS = 60;
const KEYS = 10;
const LASTS_MS = 8000;

/** What clients of one key were told. */
interface Told {
  answers: number;
  tokens: number;
  limited: number;
  odd: string[];
}

Deno.test("access 15: after a storm every place is free, and each key is charged what its clients were told", async () => {
  await using simulators = await startSimulators({
    count: 3,
    args: ["--ttft", "0.02", "--tokens-per-second", "400"],
  });
  const keys = Array.from({ length: KEYS }, (_, index) =>
    makeKey(`key-${index}`, {
      concurrency: index % 2 === 0 ? 4 : 20,
      over: index % 3 === 0 ? "queue" : "reject",
      requests_per_minute: 100_000,
      tokens_per_minute: 10_000_000,
      group: "all",
    }));
  const config = (concurrency: number) => ({
    instances: simulators.urls.map((url, index) => ({
      url,
      model_name: "demo",
      name: `sim-${index}`,
      max_concurrency: 12,
    })),
    health_check: { interval: 0.5 },
    error_threshold: 1000,
    workers: 2,
    keys: keys.map(({ line }) => line),
    groups: [{ name: "all", concurrency }],
    queue: { max: 1000, deadline: 20 },
  });
  await using gateway = await startGateway({ config: config(40) });
  const told = new Map(
    keys.map(({ line }) => [line, { answers: 0, tokens: 0, limited: 0, odd: [] } as Told]),
  );
  const until = performance.now() + LASTS_MS;
  /** What clients that left, or whose answer broke off, were charged cannot be known from outside. */
  const unknown = new Set<TestKey>();

  const ask = async (key: TestKey, leaves: boolean, stream: boolean) => {
    const one = told.get(key.line)!;
    const controller = new AbortController();
    if (leaves) setTimeout(() => controller.abort(), Math.random() * 200);
    try {
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        signal: controller.signal,
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${key.key}`,
          ...(Math.random() < 0.3 ? { connection: "close" } : {}),
        },
        body: JSON.stringify({
          model: "demo",
          messages: [{ role: "user", content: "tell me something, please" }],
          max_tokens: 5 + Math.floor(Math.random() * 40),
          ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
        }),
      });
      const text = await response.text();
      if (response.status === 429) {
        one.limited++;
        await new Promise((resolve) => setTimeout(resolve, 20));
        return;
      }
      const usage = /"prompt_tokens":(\d+)[^}]*?"completion_tokens":(\d+)/.exec(text) ??
        /"prompt_tokens":(\d+).*"completion_tokens":(\d+)/s.exec(text);
      const isWhole = response.status === 200 && (!stream || text.includes("[DONE]"));
      if (isWhole && usage !== null) {
        one.answers++;
        one.tokens += Number(usage[1]) + Number(usage[2]);
      } else {
        unknown.add(key);
        if (isWhole) one.odd.push(text.slice(-300));
      }
    } catch (error) {
      if (!controller.signal.aborted) throw error;
      unknown.add(key);
    }
  };
  const client = async (index: number) => {
    const key = keys[index % KEYS];
    // Clients of the last four keys never leave, and what they were told is all.
    const mayLeave = index % KEYS < KEYS - 4;
    while (performance.now() < until) {
      await ask(key, mayLeave && Math.random() < 0.3, Math.random() < 0.7);
    }
  };
  const trouble = async () => {
    for (let turn = 0; performance.now() < until - 1000; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 700));
      // Before an answer and in its middle: others take over, and every answer is told whole.
      await simulators.fail(turn % 3, turn % 2 === 0 ? "500" : "cut:3", { count: 3 });
      await gateway.writeConfig(config([40, 15, 60][turn % 3]));
    }
  };
  await Promise.all([...Array.from({ length: CLIENTS }, (_, index) => client(index)), trouble()]);

  const pageOf = async ({ key }: TestKey) => {
    const response = await fetch(`${gateway.url}/v1/key`, {
      headers: { authorization: `Bearer ${key}` },
    });
    return await response.json();
  };
  for (const key of keys) {
    await waitFor(async () => (await pageOf(key)).in_flight === 0, `${key.line.name} is free`);
  }
  const { limits } = await pageOf(keys[0]);
  for (const { limit, allowed, remaining } of limits) {
    if (limit === "concurrency") assert.equal(remaining, allowed);
  }
  let exact = 0;
  for (const key of keys) {
    const { usage } = await pageOf(key);
    const one = told.get(key.line)!;
    assert.deepEqual(one.odd, []);
    assert.ok(one.answers > 0, `${key.line.name} got no answer`);
    const charged = usage.day.prompt_tokens + usage.day.completion_tokens;
    if (unknown.has(key)) assert.ok(charged >= one.tokens, `${key.line.name}: ${charged}`);
    else {
      exact++;
      assert.equal(charged, one.tokens, String(key.line.name));
    }
  }
  assert.ok(exact > 0, "nothing could be compared");
});
