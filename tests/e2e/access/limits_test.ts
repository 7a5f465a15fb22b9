// Limits, as clients meet them: what is refused and in which words, what is left, what is given back.

import assert from "node:assert/strict";
import { completion, startUpstream } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";
import {
  ASK,
  ask,
  bearer,
  errorOf,
  heldUpstream,
  keyedGateway,
  makeKey,
  statusOf,
} from "./keyed.ts";
import { leftOf, pageOf, pageWhen } from "./key_page.ts";

Deno.test("access: a limit of requests is told in the head of each answer, and in words when it is met", async () => {
  await using upstream = startUpstream(() =>
    completion("hi", {}) && new Response(completion("hi").body, {
      headers: { "content-type": "application/json", "x-ratelimit-limit-requests": "7" },
    })
  );
  const web = makeKey("web", { requests_per_minute: 2, tokens_per_minute: 100_000 });
  await using gateway = await keyedGateway(upstream, [web]);
  const first = await ask(gateway, web);
  await first.body?.cancel();
  assert.equal(first.headers.get("x-ratelimit-limit-requests"), "2");
  assert.equal(first.headers.get("x-ratelimit-remaining-requests"), "1");
  // Half a minute, less what the answer took; clocks of workers differ by what starting them takes.
  assert.match(first.headers.get("x-ratelimit-reset-requests")!, /^(2\d|3[01])s$/);
  assert.equal(first.headers.get("x-ratelimit-limit-tokens"), "100000");
  assert.equal(await statusOf(ask(gateway, web)), 200);
  const refused = await ask(gateway, web);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("x-ratelimit-remaining-requests"), "0");
  assert.equal(refused.headers.get("x-should-retry"), null);
  const waitMs = Number(refused.headers.get("retry-after-ms"));
  assert.ok(waitMs > 20_000 && waitMs <= 31_000, String(waitMs));
  assert.equal(refused.headers.get("retry-after"), String(Math.ceil(waitMs / 1000)));
  const error = await errorOf(refused);
  assert.equal(error.type, "RateLimitError");
  assert.equal(error.code, 429);
  assert.equal(error.reason, "requests_per_minute");
  assert.equal(error.limit, 2);
  assert.equal(error.remaining, 0);
  assert.match(
    String(error.message),
    /^Key `web` may make 2 requests a minute; none is left\. Try again in/,
  );
  // Asking costs nothing.
  assert.equal(await leftOf(gateway, web, "requests_per_minute"), 0);
  const other = await gateway.post("/v1/messages", { ...ASK, max_tokens: 5 }, bearer(web.key));
  assert.equal(other.status, 429);
  assert.equal(other.headers.get("anthropic-ratelimit-requests-limit"), "2");
  assert.equal(other.headers.get("anthropic-ratelimit-requests-remaining"), "0");
  assert.ok(Date.parse(other.headers.get("anthropic-ratelimit-requests-reset")!) > Date.now());
  assert.equal(other.headers.get("anthropic-ratelimit-input-tokens-limit"), "100000");
  assert.equal(other.headers.get("x-ratelimit-limit-requests"), null);
  assert.equal((await other.json()).error.type, "rate_limit_error");
});

Deno.test("access 11: a request that came to nothing gives its tokens back, and stays counted as one", async () => {
  await using upstream = startUpstream(() =>
    Response.json({ error: { message: "no", type: "BadRequestError", code: 400 } }, { status: 400 })
  );
  const web = makeKey("web", { requests_per_minute: 2, tokens_per_minute: 100_000 });
  await using gateway = await keyedGateway(upstream, [web]);
  assert.equal(await statusOf(ask(gateway, web)), 400);
  assert.equal(await statusOf(ask(gateway, web, { model: "nobody" })), 404);
  assert.equal(await leftOf(gateway, web, "tokens_per_minute"), 100_000);
  const left = await leftOf(gateway, web, "requests_per_minute");
  assert.ok(left === 1 || left === 2, String(left));
  const { usage } = await pageWhen(gateway, web, "the end", ({ in_flight }) => in_flight === 0);
  assert.equal(usage.day.prompt_tokens + usage.day.completion_tokens, 0);
});

Deno.test("access: tokens are reserved before and settled with what was really used", async () => {
  const { upstream, held } = heldUpstream();
  await using _ = upstream;
  // Ten come back each second.
  const web = makeKey("web", { tokens_per_minute: 600 });
  await using gateway = await keyedGateway(upstream, [web]);
  const answer = ask(gateway, web, { max_tokens: 400 });
  await waitFor(() => held.length === 1, "the request");
  const reserved = 600 - await leftOf(gateway, web, "tokens_per_minute");
  assert.ok(reserved > 0, "nothing is reserved");
  held[0]();
  assert.equal(await statusOf(answer), 200);
  const { usage } = await pageWhen(gateway, web, "the end", ({ in_flight }) => in_flight === 0);
  assert.equal(usage.day.prompt_tokens, 3);
  assert.equal(usage.day.completion_tokens, 2);
});

Deno.test("access 16: a request that alone exceeds the bucket is refused for good, and one without max_tokens needs what is learned", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const web = makeKey("web", { tokens_per_minute: 3000 });
  await using gateway = await keyedGateway(upstream, [web]);
  const long = "word ".repeat(10_000);
  const refused = await ask(gateway, web, { messages: [{ role: "user", content: long }] });
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("x-should-retry"), "false");
  assert.equal(refused.headers.get("retry-after"), null);
  assert.match(String((await errorOf(refused)).message), /can never be taken/);
  for (let count = 0; count < 12; count++) assert.equal(await statusOf(ask(gateway, web)), 200);
});

Deno.test("access 16: nobody is refused for good for a guess: by long answers before, or a short burst", async () => {
  let completion_tokens = 400;
  await using upstream = startUpstream(() =>
    completion("hi", { usage: { prompt_tokens: 3, completion_tokens, total_tokens: 9 } })
  );
  // 300 tokens at once, 50 of them back each second.
  const web = makeKey("web", { tokens_per_minute: 3000, burst: 6 });
  await using gateway = await keyedGateway(upstream, [web]);
  assert.equal(await statusOf(ask(gateway, web)), 200);
  // What was used is more than a full bucket: the next one has to wait, and may.
  const early = await ask(gateway, web, { max_tokens: 5000 });
  assert.equal(early.status, 429);
  assert.ok(Number(early.headers.get("retry-after")) >= 1, "it is told when to come again");
  await early.body?.cancel();
  completion_tokens = 2;
  await waitFor(async () => await statusOf(ask(gateway, web)) === 200, "its turn");
  // How many answers it wants is no guess.
  const many = await ask(gateway, web, { n: 128 });
  assert.equal(many.status, 429);
  assert.match(String((await errorOf(many)).message), /can never be taken/);
});

Deno.test("access 16: short prompts, which are template for the most part, do not make long ones longer", async () => {
  let prompt_tokens = 300;
  await using upstream = startUpstream(() =>
    completion("hi", { usage: { prompt_tokens, completion_tokens: 2, total_tokens: 9 } })
  );
  const web = makeKey("web", { max_prompt_tokens: 8000 });
  await using gateway = await keyedGateway(upstream, [web]);
  const askWords = (words: number) =>
    statusOf(ask(gateway, web, { messages: [{ role: "user", content: "word ".repeat(words) }] }));
  assert.equal(await askWords(20), 200);
  prompt_tokens = 3000;
  assert.equal(await askWords(2500), 200);
});

Deno.test("access 19: several answers need several times the tokens, and are one request", async () => {
  const { upstream, held } = heldUpstream();
  await using _ = upstream;
  const web = makeKey("web", { tokens_per_minute: 6000, requests_per_minute: 10 });
  await using gateway = await keyedGateway(upstream, [web]);
  const answer = ask(gateway, web, { max_tokens: 100, n: 4 });
  await waitFor(() => held.length === 1, "the request");
  held[0]();
  // As it was when they were reserved: buckets fill all the time.
  const { headers, body } = await answer;
  await body?.cancel();
  const reserved = 6000 - Number(headers.get("x-ratelimit-remaining-tokens"));
  assert.ok(reserved > 350 && reserved < 480, String(reserved));
  assert.equal(headers.get("x-ratelimit-remaining-requests"), "9");
});

Deno.test("access 20: counting tokens and looking at models cost a request and no tokens", async () => {
  await using upstream = startUpstream(() => Response.json({ count: 5, tokens: [1, 2, 3, 4, 5] }));
  // One comes back in a quarter of a minute.
  const web = makeKey("web", { tokens_per_minute: 1000, requests_per_minute: 4 });
  await using gateway = await keyedGateway(upstream, [web]);
  const prompt = "word ".repeat(5000);
  assert.equal(
    await statusOf(gateway.post("/tokenize", { model: "m", prompt }, bearer(web.key))),
    200,
  );
  const messages = [{ role: "user", content: prompt }];
  const count = gateway.post(
    "/v1/messages/count_tokens",
    { model: "m", messages },
    bearer(web.key),
  );
  assert.equal(await statusOf(count), 200);
  assert.equal(await statusOf(fetch(`${gateway.url}/v1/models`, bearer(web.key))), 200);
  assert.equal(await leftOf(gateway, web, "tokens_per_minute"), 1000);
  assert.equal(await leftOf(gateway, web, "requests_per_minute"), 1);
});

Deno.test("access 17: embeddings and ranks are booked by their total, cached tokens within the prompt", async () => {
  const bodies: Record<string, object> = {
    "/v1/embeddings": {
      object: "list",
      model: "m",
      data: [{ object: "embedding", index: 0, embedding: [0.1] }],
      usage: { prompt_tokens: 8, total_tokens: 8 },
    },
    "/rerank": { id: "x", model: "m", usage: { total_tokens: 56 }, results: [] },
    "/v1/chat/completions": {
      ...{ id: "x", object: "chat.completion", created: 1, model: "m" },
      choices: [{
        index: 0,
        message: { role: "assistant", content: "hi" },
        finish_reason: "stop",
      }],
      usage: {
        prompt_tokens: 100,
        completion_tokens: 7,
        total_tokens: 107,
        prompt_tokens_details: { cached_tokens: 60 },
      },
    },
    "/v1/messages": {
      id: "x",
      type: "message",
      role: "assistant",
      model: "m",
      content: [{ type: "text", text: "hi" }],
      stop_reason: "end_turn",
      usage: { input_tokens: 40, cache_read_input_tokens: 60, output_tokens: 7 },
    },
  };
  await using upstream = startUpstream((seen) => Response.json(bodies[seen.path]));
  const expected: [string, object, { prompt: number; cached: number; completion: number }][] = [
    ["/v1/embeddings", { model: "m", input: "hi" }, { prompt: 8, cached: 0, completion: 0 }],
    ["/rerank", { model: "m", query: "a", documents: ["b"] }, {
      prompt: 56,
      cached: 0,
      completion: 0,
    }],
    ["/v1/chat/completions", ASK, { prompt: 100, cached: 60, completion: 7 }],
    ["/v1/messages", { ...ASK, max_tokens: 9 }, { prompt: 100, cached: 60, completion: 7 }],
  ];
  const keys = expected.map((_, index) => makeKey(`key-${index}`));
  await using gateway = await keyedGateway(upstream, keys);
  for (const [index, [path, body, { prompt, cached, completion }]] of expected.entries()) {
    assert.equal(await statusOf(gateway.post(path, body, bearer(keys[index].key))), 200, path);
    const { usage } = await pageOf(gateway, keys[index]);
    assert.deepEqual(
      [usage.day.prompt_tokens, usage.day.cached_tokens, usage.day.completion_tokens],
      [prompt, cached, completion],
      path,
    );
  }
});

Deno.test("access 12: a stream that its client leaves costs its prompt and what came of it", async () => {
  let count = 0;
  await using upstream = startUpstream(() => {
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        const delta = { content: `w${count++} ` };
        const choices = [{ index: 0, delta, finish_reason: null }];
        const event = { id: "x", object: "chat.completion.chunk", created: 1, model: "m", choices };
        controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const web = makeKey("web", { tokens_per_minute: 6000, concurrency: 1 });
  await using gateway = await keyedGateway(upstream, [web]);
  const controller = new AbortController();
  const stream = await ask(
    gateway,
    web,
    { stream: true, max_tokens: 5000 },
    { signal: controller.signal },
  );
  const reader = stream.body!.getReader();
  let text = "";
  while (!text.includes("w20 ")) text += new TextDecoder().decode((await reader.read()).value);
  controller.abort();
  const { usage: { day }, limits } = await pageWhen(
    gateway,
    web,
    "the place is free",
    ({ in_flight }) => in_flight === 0,
  );
  assert.ok(day.completion_tokens >= 20 && day.completion_tokens <= count);
  assert.ok(day.prompt_tokens > 0);
  const used = 6000 - limits.find((one) => one.limit === "tokens_per_minute")!.remaining;
  assert.ok(used <= day.prompt_tokens + day.completion_tokens, `${used}: what was reserved`);
});

Deno.test("access 14: failing over takes one place and one request, however many attempts", async () => {
  await using broken = startUpstream(() => new Response("no", { status: 500 }));
  await using upstream = startUpstream(() => completion("hi"));
  // One comes back in half a minute.
  const web = makeKey("web", { requests_per_minute: 2, concurrency: 1 });
  await using gateway = await keyedGateway(broken, [web], {
    fallback_instances: [{ url: upstream.url, model_name: "m" }],
    retry: { max_wait: 0 },
  });
  assert.equal(await statusOf(ask(gateway, web)), 200);
  assert.ok(broken.seen.length > 0);
  assert.equal(await leftOf(gateway, web, "requests_per_minute"), 1);
  const { usage, in_flight } = await pageOf(gateway, web);
  assert.equal(in_flight, 0);
  assert.deepEqual([usage.day.requests, usage.day.prompt_tokens], [1, 3]);
});

Deno.test("access: prompts and answers have a longest size where a key says so", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const web = makeKey("web", { max_prompt_tokens: 100, max_completion_tokens: 50 });
  await using gateway = await keyedGateway(upstream, [web]);
  assert.equal(await statusOf(ask(gateway, web, { max_tokens: 50 })), 200);
  const long = await ask(gateway, web, { max_tokens: 51 });
  assert.equal(long.status, 400);
  assert.equal((await errorOf(long)).reason, "max_completion_tokens");
  // As servers read it, which take texts for numbers and pass over the names of other APIs.
  const evasions: [string, object][] = [
    ["chat/completions", { max_tokens: "51" }],
    ["chat/completions", { max_tokens: "5_1" }],
    ["chat/completions", { max_tokens: `${" ".repeat(5000)}51` }],
    ["completions", { prompt: "hi", max_completion_tokens: 1, max_tokens: 51 }],
    ["messages", { max_completion_tokens: 1, max_tokens: 51 }],
    ["responses", { input: "hi", max_tokens: 1, max_output_tokens: 51 }],
  ];
  for (const [path, more] of evasions) {
    const body = { ...ASK, ...more };
    const answer = await gateway.post(`/v1/${path}`, body, bearer(web.key));
    assert.equal(answer.status, 400, `${path} ${JSON.stringify(more).slice(0, 80)}`);
    await answer.body?.cancel();
  }
  const content = "word ".repeat(1000);
  const prompt = await ask(gateway, web, { messages: [{ role: "user", content }] });
  assert.equal(prompt.status, 400);
  assert.equal((await errorOf(prompt)).reason, "max_prompt_tokens");
});
