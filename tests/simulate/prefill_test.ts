// Prompts that are computed one after another, and blocks that do not suffice.

import assert from "node:assert/strict";
import { type SimulateOptions, startSimulated } from "../../lib/simulate/instance.ts";
import { waitFor } from "../support/wait.ts";

async function instance(options: SimulateOptions) {
  const started = await startSimulated({
    models: ["m"],
    tokensPerSecond: 0,
    tokens: 4,
    prefillTokensPerSecond: 20_000,
    ...options,
  });
  const metric = async (name: string) => {
    const text = await (await fetch(new URL("/metrics", started.url))).text();
    return Number(new RegExp(`^vllm:${name}\\S* (\\S+)`, "m").exec(text)![1]);
  };
  return { ...started, metric, [Symbol.asyncDispose]: () => started.close() };
}

const words = (name: string, tokens: number) => `${name} `.repeat(tokens);

/** The text of a streamed answer; `first` hears of its first token. */
async function ask(
  url: string,
  prompt: string,
  more: { tokens?: number; first?: () => void; signal?: AbortSignal } = {},
): Promise<string> {
  const answer = await fetch(`${url}/completions`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(more.tokens === undefined ? {} : { "x-simulate-tokens": String(more.tokens) }),
    },
    body: JSON.stringify({ model: "m", prompt, max_tokens: 2000, stream: true }),
    signal: more.signal,
  });
  assert.equal(answer.status, 200);
  let text = "";
  for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
    if (text === "") more.first?.();
    text += piece;
  }
  const events = text.split("\n\n").filter((event) => event.startsWith("data: {"));
  return events.map((event) => JSON.parse(event.slice(6)).choices[0]?.text ?? "").join("");
}

Deno.test("a short prompt waits for the long one before it, and one that is cached does not", async () => {
  await using one = await instance({});
  const order: string[] = [];
  const asked = (name: string, prompt: string) =>
    ask(one.url, prompt, { first: () => order.push(name) });
  const long = words("apple", 6000);
  const first = asked("long", long);
  await waitFor(async () => await one.metric("num_requests_running") === 1, "the long one");
  await Promise.all([first, asked("short", words("river", 20))]);
  assert.deepEqual(order, ["long", "short"]);
  order.length = 0;
  const other = asked("other", words("stone", 6000));
  await asked("cached", long);
  await other;
  const hits = await one.metric("prefix_cache_hits_total");
  assert.ok(hits > 5900, `${hits} tokens found`);
});

Deno.test("a client that leaves leaves nothing to compute for those behind it", async () => {
  await using one = await instance({ prefillTokensPerSecond: 100 });
  const end = new AbortController();
  // Two minutes' work.
  const left = ask(one.url, words("apple", 12_000), { signal: end.signal }).catch(() => "left");
  await waitFor(async () => await one.metric("num_requests_running") === 1, "the long one");
  const next = ask(one.url, words("river", 5));
  await waitFor(async () => await one.metric("num_requests_running") === 2, "the next one");
  end.abort();
  assert.equal(await left, "left");
  assert.notEqual(await next, "");
  await waitFor(async () => await one.metric("num_requests_running") === 0, "rest");
});

Deno.test("where blocks do not suffice the last to begin is computed anew, and its answer is the same", async () => {
  const asks = [words("apple", 100), words("river", 100), words("stone", 100)];
  const options = { tokensPerSecond: 400 };
  await using large = await instance(options);
  await using small = await instance({ ...options, cacheBlocks: 30 });
  const [all, few] = await Promise.all(
    [large, small].map(({ url }) =>
      Promise.all(asks.map((prompt) => ask(url, prompt, { tokens: 200 })))
    ),
  );
  assert.deepEqual(few, all);
  assert.ok(all.every((text) => text.length > 200));
  assert.equal(await large.metric("num_preemptions_total"), 0);
  assert.ok(await small.metric("num_preemptions_total") > 0);
  assert.equal(await small.metric("kv_cache_usage_perc"), 0);
});
