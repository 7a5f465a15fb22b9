// Requests go where the beginning of their prompt is cached: a gateway before simulated instances, which have
// prefix caches as vLLM has. Numbers are those of the edge cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import { startSimulated } from "../../lib/simulate/instance.ts";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { completion, startUpstream } from "../support/upstream.ts";

/** No multiple of the instances, so that turns in a circle do not fall on the same ones. */
const CONVERSATIONS = 7;
const TURNS = 4;
const words = (name: string, count: number) => `${name} `.repeat(count);

type Turn = { role: string; content: string };

interface Way {
  path: string;
  body(turns: readonly Turn[]): object;
}

const WAYS: Record<string, Way> = {
  chat: {
    path: "/v1/chat/completions",
    body: (turns) => ({ messages: turns, max_tokens: 4 }),
  },
  completions: {
    path: "/v1/completions",
    body: (turns) => ({ prompt: turns.map(({ content }) => content).join("\n"), max_tokens: 4 }),
  },
  responses: {
    path: "/v1/responses",
    body: (turns) => ({ input: turns, max_output_tokens: 4 }),
  },
  messages: {
    path: "/v1/messages",
    body: (turns) => ({ messages: turns, max_tokens: 4 }),
  },
};

/** The instance that answered. */
async function ask(gateway: GatewayProcess, { path, body }: Way, turns: Turn[], stream: boolean) {
  const answer = await gateway.post(path, { model: "m", stream, ...body(turns) });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return answer.headers.get("x-gateway-instance")!;
}

/** Turns that another instance got than the one before. */
async function moved(gateway: GatewayProcess, way: Way, stream: boolean, firstWords = 80) {
  const chats = Array.from({ length: CONVERSATIONS }, (_, n) => ({
    turns: [{ role: "user", content: words(`${way.path}${stream}${n}`, firstWords) }],
    at: "",
  }));
  let count = 0;
  for (let turn = 0; turn < TURNS; turn++) {
    for (const chat of chats) {
      const at = await ask(gateway, way, chat.turns, stream);
      if (chat.at !== "" && at !== chat.at) count++;
      chat.at = at;
      chat.turns.push({ role: "assistant", content: words("yes", 20) });
      chat.turns.push({ role: "user", content: words(`more${turn}`, 60) });
    }
  }
  return count;
}

async function fleet(count: number) {
  const stack = new AsyncDisposableStack();
  const instances = [];
  for (let n = 0; n < count; n++) {
    const started = await startSimulated({ models: ["m"], ttftS: 0, tokensPerSecond: 0 });
    stack.defer(() => started.close());
    instances.push({ url: started.url, model_name: "m", name: `i${n}` });
  }
  return { instances, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Share of the prompts' tokens that the instances found in their caches. */
async function hits(instances: readonly { url: string }[]): Promise<number> {
  let [queries, found] = [0, 0];
  for (const { url } of instances) {
    const text = await (await fetch(new URL("/metrics", url))).text();
    queries += Number(/^vllm:prefix_cache_queries_total\S* (\S+)/m.exec(text)![1]);
    found += Number(/^vllm:prefix_cache_hits_total\S* (\S+)/m.exec(text)![1]);
  }
  return found / queries;
}

for (const strategy of ["prefix_aware", "bounded_hash"]) {
  Deno.test(`5: ${strategy}: conversations of every API stay with their instance, streamed and whole`, async () => {
    await using simulated = await fleet(3);
    const { instances } = simulated;
    await using gateway = await startGateway({
      config: { instances, load_balancing_strategy: strategy },
    });
    for (const [name, way] of Object.entries(WAYS)) {
      for (const stream of [false, true]) {
        // The home is told by the first four kilobytes: of shorter ones nothing is remembered.
        const count = await moved(gateway, way, stream, strategy === "prefix_aware" ? 80 : 400);
        assert.equal(count, 0, `${name}, ${stream ? "streamed" : "whole"}`);
      }
    }
  });
}

Deno.test("the instances find more of the prompts in their caches than with round robin", async () => {
  const found: number[] = [];
  for (const load_balancing_strategy of ["round_robin", "prefix_aware"]) {
    await using simulated = await fleet(3);
    const { instances } = simulated;
    await using gateway = await startGateway({ config: { instances, load_balancing_strategy } });
    await moved(gateway, WAYS.chat, true);
    found.push(await hits(instances));
  }
  const [plain, routed] = found;
  assert.ok(routed > plain + 0.1, `${plain} and ${routed}`);
});

Deno.test("19: when the instance that has the prompt fails, the one that answers instead keeps it", async () => {
  let broken = "";
  const upstream = (name: string) =>
    startUpstream(() => {
      if (broken === "") broken = name;
      return broken === name ? new Response("{}", { status: 500 }) : completion(name);
    });
  await using a = upstream("a");
  await using b = upstream("b");
  await using c = upstream("c");
  await using gateway = await startGateway({
    config: {
      instances: [a, b, c].map(({ url }, n) => ({ url, model_name: "m", name: "abc"[n] })),
      load_balancing_strategy: "prefix_aware",
    },
  });
  const turns = [{ role: "user", content: words("same", 600) }];
  const first = await ask(gateway, WAYS.chat, turns, false);
  assert.notEqual(first, broken);
  const others = [];
  for (let n = 0; n < 5; n++) others.push(await ask(gateway, WAYS.chat, turns, false));
  assert.deepEqual(new Set(others), new Set([first]));
});
