// Routing by prompts over real sockets: what a request leaves behind however it ends, and contexts. Numbers
// are those of the edge cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import type { InstanceAnswer } from "../../lib/server/explain.ts";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { chunk, completion, sse, startUpstream } from "../support/upstream.ts";
import { waitFor } from "../support/wait.ts";
import { startTelling } from "./telling_vllm.ts";

const MESSAGES = [{ role: "user", content: "word ".repeat(500) }];

interface Load {
  in_flight: number;
  weighed: { tokens_before: number; unanswered: number; others: number };
}

/** What the gateway has on its books for each instance, and how many wait in line. */
async function books(gateway: GatewayProcess): Promise<{ waiting: number; instances: Load[] }> {
  const answer = await gateway.post("/admin/explain", { model: "m", messages: MESSAGES });
  return await answer.json();
}

/** In flight, without a first token, and tokens before these: summed over all instances. */
async function open(gateway: GatewayProcess): Promise<[number, number, number]> {
  const { instances } = await books(gateway);
  const sum = (of: (one: Load) => number) => instances.reduce((total, one) => total + of(one), 0);
  return [
    sum((one) => one.in_flight),
    sum((one) => one.weighed.unanswered),
    sum((one) => one.weighed.tokens_before),
  ];
}

const form = () => {
  const data = new FormData();
  data.set("model", "m");
  data.set("file", new Blob(["sound"]), "a.wav");
  return data;
};
const input = "text ".repeat(300);
const routes: Record<string, () => object | FormData> = {
  "/v1/chat/completions": () => ({ messages: MESSAGES }),
  "/v1/chat/completions?stream": () => ({ messages: MESSAGES, stream: true }),
  "/v1/completions": () => ({ prompt: input }),
  "/v1/completions?stream": () => ({ prompt: input, stream: true }),
  "/v1/responses": () => ({ input }),
  "/v1/responses?stream": () => ({ input, stream: true }),
  "/v1/messages": () => ({ messages: MESSAGES, max_tokens: 5 }),
  "/v1/messages?stream": () => ({ messages: MESSAGES, max_tokens: 5, stream: true }),
  "/v1/embeddings": () => ({ input }),
  "/v1/rerank": () => ({ query: "q", documents: [input] }),
  "/tokenize": () => ({ prompt: input }),
  "/v1/audio/transcriptions": form,
  "/v1/something/else": () => ({ input }),
};

/** Sends to a route; `leave` is the client's end of it. */
function send(gateway: GatewayProcess, route: string): { leave(): void; over: Promise<unknown> } {
  const end = new AbortController();
  const made = routes[route]();
  const isForm = made instanceof FormData;
  const over = fetch(gateway.url + route, {
    method: "POST",
    headers: isForm ? {} : { "content-type": "application/json" },
    body: isForm ? made : JSON.stringify({ model: "m", ...made }),
    signal: end.signal,
  }).then((answer) => answer.text()).catch(() => {
    // The client has left on purpose.
  });
  return { leave: () => end.abort(), over };
}

Deno.test({
  name:
    "18: a client that leaves before the head, in the line or within the stream leaves nothing on the books, whatever it asked for",
  // Deno.serve does not tell of a client that leaves before its answer began, where its body is long
  // (docs/decisions/http1.md); tests/faults/queue_test.ts holds there, with a short one.
  ignore: Deno.env.get("TEST_LISTENER") === "deno_serve",
  fn: leavesNothing,
});

async function leavesNothing(): Promise<void> {
  let isStreaming = false;
  // What hangs ends with the server.
  const end = new AbortController();
  const { promise: never, resolve: over } = Promise.withResolvers<Response>();
  const options = { hostname: "127.0.0.1", port: 0, signal: end.signal, onListen() {} };
  const hung = Deno.serve(options, async (request) => {
    await request.arrayBuffer();
    if (!isStreaming) return await never;
    const event = `data: ${JSON.stringify(chunk({ content: "a" }))}\n\n`;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(event)),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  await using gateway = await startGateway({
    config: {
      instances: [{
        url: `http://127.0.0.1:${hung.addr.port}/v1`,
        model_name: "m",
        name: "hung",
        max_concurrency: 2,
      }],
      load_balancing_strategy: "prefix_aware",
      queue: { deadline: 600 },
      health_check: false,
      scrape: false,
      model_discovery: false,
    },
  });
  const settled = () =>
    waitFor(async () => {
      const { waiting } = await books(gateway);
      return waiting === 0 && (await open(gateway)).every((value) => value === 0);
    }, "clean books");
  for (const route of Object.keys(routes)) {
    // Two are asked, a third is in line.
    const sent = [send(gateway, route), send(gateway, route), send(gateway, route)];
    await waitFor(
      async () => {
        const [inFlight, unanswered] = await open(gateway);
        return inFlight === 2 && unanswered === 2 && (await books(gateway)).waiting === 1;
      },
      `two in flight and one in line of ${route}`,
    );
    sent[2].leave();
    await waitFor(async () => (await books(gateway)).waiting === 0, `an empty line: ${route}`);
    for (const one of sent) one.leave();
    await Promise.all(sent.map(({ over }) => over));
    await settled();
  }
  isStreaming = true;
  const stream = send(gateway, "/v1/chat/completions?stream");
  await waitFor(async () => {
    const [inFlight, unanswered, before] = await open(gateway);
    return inFlight === 1 && unanswered === 0 && before === 0;
  }, "a first token");
  stream.leave();
  await stream.over;
  await settled();
  end.abort();
  over(new Response(null));
  await hung.finished;
}

Deno.test("20: a prompt that was refused is not taken to be cached, one that was answered is", async () => {
  let isRefused = true;
  await using a = startUpstream(() =>
    isRefused
      ? Response.json({ error: { message: "no", type: "BadRequestError", code: 400 } }, {
        status: 400,
      })
      : sse([chunk({ content: "yes" }), chunk({}, "stop"), "[DONE]"])
  );
  await using gateway = await startGateway({
    config: {
      instances: [{ url: a.url, model_name: "m", name: "a" }],
      load_balancing_strategy: "prefix_aware",
    },
  });
  const cached = async () => {
    const answer = await gateway.post("/admin/explain", { model: "m", messages: MESSAGES });
    return (await answer.json()).instances[0].weighed.cached_tokens;
  };
  const ask = async () => {
    const body = { model: "m", messages: MESSAGES, stream: true };
    const answer = await gateway.post("/v1/chat/completions", body);
    await answer.text();
    return answer.status;
  };
  assert.equal(await ask(), 400);
  assert.equal(await cached(), 0);
  isRefused = false;
  assert.equal(await ask(), 200);
  assert.ok(await cached() > 500);
  isRefused = true;
  assert.equal(await ask(), 400);
  assert.ok(await cached() > 500, "what was there before is still there");
});

Deno.test("14: an instance that refuses a connection has lost what it held, without metrics and health checks", async () => {
  const answer = () => sse([chunk({ content: "yes" }), chunk({}, "stop"), "[DONE]"]);
  await using stack = new AsyncDisposableStack();
  const upstreams = { a: startUpstream(answer), b: startUpstream(answer) };
  const gateway = stack.use(
    await startGateway({
      config: {
        instances: Object.entries(upstreams).map(([name, { url }]) => ({
          url,
          model_name: "m",
          name,
        })),
        load_balancing_strategy: "prefix_aware",
        health_check: false,
        scrape: false,
      },
    }),
  );
  const cached = async () => {
    const explained = await gateway.post("/admin/explain", { model: "m", messages: MESSAGES });
    const { instances } = await explained.json();
    return Object.fromEntries(
      instances.map((one: InstanceAnswer) => [one.instance, one.weighed!.cached_tokens > 0]),
    );
  };
  const ask = async () => {
    const response = await gateway.post("/v1/chat/completions", {
      model: "m",
      messages: MESSAGES,
      stream: true,
    });
    await response.text();
    return response.headers.get("x-gateway-instance") as "a" | "b";
  };
  const first = await ask();
  const second = first === "a" ? "b" : "a";
  stack.use(upstreams[second]);
  assert.deepEqual(await cached(), { [first]: true, [second]: false });
  await upstreams[first][Symbol.asyncDispose]();
  assert.equal(await ask(), second);
  assert.deepEqual(await cached(), { [first]: false, [second]: true });
});

/** Instances that say how long their contexts are, as 4 and 32 thousand tokens. */
async function contexts(names: Record<string, number>) {
  const instances = Object.entries(names).map(([name, tokens]) => {
    const one = startTelling(name);
    one.models = [{ id: "m", max_model_len: tokens }];
    one.answer = () => completion(name);
    return { name, one };
  });
  const gateway = await startGateway({
    config: {
      instances: instances.map(({ name, one }) => ({ url: one.url, model_name: "m", name })),
      load_balancing_strategy: "prefix_aware",
      model_discovery: { interval: 0.05 },
      scrape: false,
      health_check: false,
    },
  });
  await waitFor(() => instances.every(({ one }) => one.lists >= 2), "two looks at the models");
  return {
    gateway,
    instances: instances.map(({ one }) => one),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      for (const { one } of instances) await one[Symbol.asyncDispose]();
    },
  };
}

async function askedOf(gateway: GatewayProcess, tokens: number, max?: number) {
  const messages = [{ role: "user", content: `${Math.random()} `.padEnd(4 * tokens, "word ") }];
  const body = { model: "m", messages, max_tokens: max };
  const answer = await gateway.post("/v1/chat/completions", body);
  return { status: answer.status, name: answer.headers.get("x-gateway-instance"), answer };
}

Deno.test("29: prompts go by the contexts that instances list, their answers counted in", async () => {
  await using stand = await contexts({ small: 4096, middle: 32_768, large: 131_072 });
  const { gateway } = stand;
  for (let n = 0; n < 6; n++) {
    assert.equal((await askedOf(gateway, 60_000)).name, "large");
    assert.notEqual((await askedOf(gateway, 12_000)).name, "small");
    assert.notEqual((await askedOf(gateway, 100, 12_000)).name, "small");
    assert.equal((await askedOf(gateway, 100, 60_000)).name, "large");
  }
  const short = new Set<string | null>();
  for (let n = 0; n < 30; n++) short.add((await askedOf(gateway, 100)).name);
  assert.equal(short.size, 3, "short prompts are everybody's");
});

Deno.test("30: where all are too short, the longest one's own words reach the client", async () => {
  await using stand = await contexts({ small: 4096, longest: 8192 });
  const { gateway, instances } = stand;
  for (const [at, one] of instances.entries()) {
    const tokens = [4096, 8192][at];
    one.answer = () => {
      const message = `This model's maximum context length is ${tokens} tokens.`;
      const error = { message, type: "BadRequestError", code: 400 };
      return Response.json({ error }, { status: 400 });
    };
  }
  const { status, name, answer } = await askedOf(gateway, 20_000);
  assert.equal(status, 400);
  assert.equal(name, "longest");
  assert.match((await answer.json()).error.message, /maximum context length is 8192 tokens/);
  assert.equal(instances[0].asked.length, 0, "the shorter one is not asked in vain");
});
