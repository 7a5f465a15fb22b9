// The other paths: completions, responses, messages, embeddings and their kin, audio, tokens, models,
// metrics and the prefix cache.

import assert from "node:assert/strict";
import { rawRequest } from "../support/raw_http.ts";
import { waitFor } from "../support/wait.ts";
import { type Any, ask, stand, WEATHER } from "./stand.ts";

Deno.test("completions take a text, texts, ids and lists of ids, and index their choices", async () => {
  await using it = await stand();
  const { tokens } = await it.json("/tokenize", { prompt: "Once upon" });
  const complete = (prompt: unknown, more = {}) =>
    it.json("/v1/completions", { model: "demo", prompt, max_tokens: 9, ...more });
  const text = (await complete("Once upon")).choices[0].text;
  assert.equal((await complete(tokens)).choices[0].text, text);
  const lists = await complete(["Once upon", "Other"], { n: 2 });
  assert.deepEqual(lists.choices.map((choice: Any) => choice.index), [0, 1, 2, 3]);
  assert.equal(lists.choices[0].text, text);
  assert.equal((await complete([tokens, tokens])).choices[1].text, text);
  assert.equal((await complete("Once upon", { echo: true })).choices[0].text, `Once upon${text}`);
  const streamed = await it.stream("/v1/completions", {
    prompt: tokens,
    max_tokens: 9,
    stream: true,
    return_token_ids: true,
  });
  assert.equal(streamed.json.map((chunk: Any) => chunk.choices[0].text).join(""), text);
  assert.deepEqual(streamed.json[0].choices[0].prompt_token_ids, tokens);
  assert.equal(streamed.json[1].choices[0].prompt_token_ids, null);
  assert.equal(streamed.json.at(-1).choices[0].finish_reason, "length");
  assert.equal((await complete("a", { max_tokens: undefined })).usage.completion_tokens, 16);
});

Deno.test("a response is streamed as events, stored, read again and continued", async () => {
  await using it = await stand({ reasoningTokens: 4 });
  const answer = await it.stream("/v1/responses", { input: "Hello", stream: true });
  const types = answer.json.map((event: Any) => event.type);
  assert.equal(types[0], "response.created");
  assert.equal(types.at(-1), "response.completed");
  assert.ok(
    types.indexOf("response.reasoning_text.delta") < types.indexOf("response.output_text.delta"),
  );
  assert.deepEqual(
    answer.json.map((event: Any) => event.sequence_number),
    types.map((_: Any, at: number) => at),
  );
  assert.ok(answer.events.every((event, at) => event.event === types[at]));
  assert.equal(answer.done, false);
  const whole = answer.json.at(-1).response;
  const text = answer.json.filter((event: Any) => event.type === "response.output_text.delta")
    .map((event: Any) => event.delta).join("");
  assert.equal(whole.output[1].content[0].text, text);
  assert.deepEqual(await it.get(`/v1/responses/${whole.id}`), whole);
  const next = await it.json("/v1/responses", { input: "More", previous_response_id: whole.id });
  assert.ok(next.usage.input_tokens > whole.usage.input_tokens);
  const unknown = await fetch(`${it.origin}/v1/responses/resp_none`);
  assert.equal(unknown.status, 404);
  await unknown.body?.cancel();
});

Deno.test("a background response can be cancelled", async () => {
  await using it = await stand({ tokensPerSecond: 20, tokens: 1000 });
  const queued = await it.json("/v1/responses", { input: "Hello", background: true });
  assert.equal(queued.status, "queued");
  const cancelled = await it.json(`/v1/responses/${queued.id}/cancel`, {});
  assert.equal(cancelled.status, "cancelled");
  assert.equal((await it.get(`/v1/responses/${queued.id}`)).status, "cancelled");
  assert.equal(await it.metric("vllm:num_requests_running"), 0);
});

Deno.test("a response calls functions", async () => {
  await using it = await stand();
  const tool = { type: "function", ...WEATHER.function };
  const response = await it.json("/v1/responses", { input: "Use get_weather", tools: [tool] });
  assert.equal(response.output[0].type, "function_call");
  assert.equal(response.output[0].name, "get_weather");
  JSON.parse(response.output[0].arguments);
});

Deno.test("a message has Anthropic's shape, streamed and whole", async () => {
  await using it = await stand({ reasoningTokens: 4 });
  const body = { model: "demo", max_tokens: 200, messages: ask("Hello") };
  const whole = await it.json("/v1/messages", body);
  assert.deepEqual(whole.content.map((block: Any) => block.type), ["thinking", "text"]);
  assert.equal(whole.stop_reason, "end_turn");
  const answer = await it.stream("/v1/messages", { ...body, stream: true });
  const types = answer.json.map((event: Any) => event.type);
  assert.equal(types[0], "message_start");
  assert.deepEqual(types.slice(-2), ["message_delta", "message_stop"]);
  assert.equal(types.filter((type: string) => type === "content_block_start").length, 2);
  const text = answer.json.map((event: Any) => event.delta?.text ?? "").join("");
  assert.equal(text, whole.content[1].text);
  const count = await it.json("/v1/messages/count_tokens", body);
  assert.equal(count.input_tokens, whole.usage.input_tokens);
  const unknown = await it.post("/v1/messages", { ...body, model: "x" });
  assert.equal((await unknown.json()).type, "error");
});

Deno.test("a message uses tools and stops at stop sequences", async () => {
  await using it = await stand();
  const tool = { name: "get_weather", input_schema: WEATHER.function.parameters };
  const body = { max_tokens: 200, messages: ask("Use get_weather"), tools: [tool] };
  const whole = await it.json("/v1/messages", body);
  assert.equal(whole.stop_reason, "tool_use");
  assert.equal(whole.content[0].type, "tool_use");
  const answer = await it.stream("/v1/messages", { ...body, stream: true });
  const json = answer.json.map((event: Any) => event.delta?.partial_json ?? "").join("");
  assert.deepEqual(JSON.parse(json), whole.content[0].input);
  const stopped = await it.json("/v1/messages", {
    max_tokens: 200,
    messages: ask("a"),
    stop_sequences: [" "],
  });
  assert.deepEqual([stopped.stop_reason, stopped.stop_sequence], ["stop_sequence", " "]);
});

Deno.test("messages and responses are answered as the chat that vLLM makes of them", async () => {
  await using it = await stand();
  const fn = { name: "f", description: "d", parameters: { type: "object", properties: {} } };
  const system = { role: "system", content: "Be kind.Be brief." };
  const calls = ["a", "b"].map((id) => ({ id, function: { name: "f", arguments: "{}" } }));
  const messages = [
    ...[system, ...ask("Hello"), { role: "system", content: "Go on." }],
    ...[{ role: "assistant", content: "I ask.", tool_calls: calls }],
    ...calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: "7" })),
  ];
  const chat = { messages, tools: [{ type: "function", function: fn }], max_tokens: 40 };
  const { choices } = await it.json("/v1/chat/completions", chat);
  const text = (text: string) => ({ type: "text", text });
  const message = await it.json("/v1/messages", {
    max_tokens: 40,
    tools: [{ name: "f", description: "d", input_schema: fn.parameters }],
    system: [text("x-anthropic-billing-header: cc=1"), text("Be kind."), text("Be brief.")],
    messages: [
      ...[...ask("Hello"), { role: "system", content: [text("Go on.")] }],
      {
        role: "assistant",
        content: [
          text("I ask."),
          ...calls.map(({ id }) => ({ type: "tool_use", id, name: "f", input: {} })),
        ],
      },
      {
        role: "user",
        content: calls.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "7" })),
      },
    ],
  });
  assert.equal(message.content[0].text, choices[0].message.content);
  const response = await it.json("/v1/responses", {
    max_output_tokens: 40,
    tools: [{ type: "function", ...fn }],
    instructions: system.content,
    input: [
      ...[...ask("Hello"), { role: "system", content: "Go on." }],
      { role: "assistant", content: "I ask." },
      ...calls.map(({ id }) => ({
        type: "function_call",
        call_id: id,
        name: "f",
        arguments: "{}",
      })),
      ...calls.map(({ id }) => ({ type: "function_call_output", call_id: id, output: "7" })),
    ],
  });
  assert.equal(response.output[0].content[0].text, choices[0].message.content);
});

Deno.test("embeddings, scores, classes and pooling have a result for each input", async () => {
  await using it = await stand();
  const embedded = await it.json("/v1/embeddings", { input: ["a cat", "a cat"] });
  assert.deepEqual(embedded.data[0].embedding, embedded.data[1].embedding);
  const coded = await it.json("/v1/embeddings", { input: "a cat", encoding_format: "base64" });
  assert.equal(typeof coded.data[0].embedding, "string");
  const scored = await it.json("/score", { text_1: "a red cat", text_2: ["a red cat", "7 %"] });
  assert.ok(scored.data[0].score > scored.data[1].score);
  for (const path of ["/rerank", "/v1/rerank", "/v2/rerank"]) {
    const ranked = await it.json(path, {
      query: "red cat",
      documents: ["7 %", "red cat"],
      top_n: 1,
    });
    assert.deepEqual(ranked.results.map((result: Any) => result.index), [1]);
  }
  assert.equal((await it.json("/classify", { input: "a" })).data[0].probs.length, 2);
  assert.equal((await it.json("/pooling", { input: ["a", "b"] })).data.length, 2);
});

Deno.test("audio is a form whose model is a field, whole and streamed", async () => {
  await using it = await stand();
  const hear = async (fields: Record<string, string>) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set("file", new File([new Uint8Array(50_000).fill(7)], "a.wav"));
    return await fetch(`${it.origin}/v1/audio/transcriptions`, { method: "POST", body: form });
  };
  const { text } = await (await hear({ model: "demo" })).json();
  assert.ok(text.length > 0);
  const streamed = await (await hear({ model: "demo", stream: "true" })).text();
  const heard = streamed.split("\n\n").filter((event) => event.startsWith("data: {"))
    .map((event) => JSON.parse(event.slice(6)).choices[0].delta.content).join("");
  assert.equal(heard, text);
  assert.match(streamed, /data: \[DONE\]\n\n$/);
  const unknown = await hear({ model: "x" });
  assert.equal(unknown.status, 404);
  await unknown.body?.cancel();
});

Deno.test("models, version, health and unknown paths answer as vLLM's do", async () => {
  await using it = await stand({ models: ["one", "two"], maxModelLen: 777 });
  const { data } = await it.get("/v1/models");
  assert.deepEqual(data.map((model: Any) => model.id), ["one", "two"]);
  assert.equal(data[0].max_model_len, 777);
  assert.match((await it.get("/version")).version, /^\d/);
  assert.equal(await (await fetch(`${it.origin}/health`)).text(), "");
  const unknown = await fetch(`${it.origin}/nothing`);
  assert.equal(unknown.status, 404);
  assert.equal((await unknown.json()).error.message, "Not Found");
});

Deno.test("what shares full blocks with an earlier prompt is cached, counted and reported", async () => {
  await using it = await stand({ tokens: 1 });
  const long = "the same beginning ".repeat(20);
  const ask = (end: string, more = {}) =>
    it.json("/v1/completions", { prompt: long + end, max_tokens: 1, ...more });
  const cached = (answer: Any) => answer.usage.prompt_tokens_details.cached_tokens;
  assert.equal(cached(await ask("one")), 0);
  const second = await ask("two");
  assert.ok(cached(second) >= 16);
  assert.equal(cached(second) % 16, 0);
  assert.equal(cached(await ask("two", { cache_salt: "mine" })), 0);
  assert.equal(await it.metric("vllm:prefix_cache_hits_total"), cached(second));
  assert.equal(
    await it.metric("vllm:prefix_cache_queries_total"),
    await it.metric("vllm:prompt_tokens_total"),
  );
  assert.equal(await it.metric("vllm:generation_tokens_total"), 3);
});

Deno.test("beyond max-num-seqs requests wait, and a waiting one that leaves is forgotten", async () => {
  await using it = await stand({ maxNumSeqs: 1, tokensPerSecond: 50, tokens: 2000 });
  const leave = [new AbortController(), new AbortController()];
  const asked = [];
  for (const { signal } of leave) {
    asked.push(
      fetch(`${it.origin}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ messages: ask("a"), stream: true }),
        signal,
      }),
    );
    await asked.at(-1);
  }
  assert.equal(await it.metric("vllm:num_requests_running"), 1);
  assert.equal(await it.metric("vllm:num_requests_waiting{"), 1);
  leave[1].abort();
  await waitFor(async () => await it.metric("vllm:num_requests_waiting{") === 0, "nobody waiting");
  leave[0].abort();
  await waitFor(async () => await it.metric("vllm:num_requests_running") === 0, "nobody running");
});

Deno.test("requests in pieces, chunked, pipelined and with Expect are read whole", async () => {
  await using it = await stand({ tokens: 1 });
  const body = JSON.stringify({ prompt: "你好", max_tokens: 1 });
  const bytes = new TextEncoder().encode(body);
  const head = "POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
  const pieces = [...new TextEncoder().encode(
    `${head}connection: close\r\ncontent-length: ${bytes.length}\r\n\r\n${body}`,
  )];
  const parts: Uint8Array[] = [];
  for (let at = 0; at < pieces.length; at += 37) {
    parts.push(new Uint8Array(pieces.slice(at, at + 37)));
  }
  const answer = await rawRequest({ port: it.port, parts, pauseMs: 1 });
  assert.deepEqual([answer.status, answer.ended], [200, "closed"]);
  const chunked = await rawRequest({
    port: it.port,
    parts: [
      `${head}transfer-encoding: chunked\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n`,
      `5\r\n`,
      bytes.subarray(0, 5),
      `\r\n${(bytes.length - 5).toString(16)}\r\n`,
      bytes.subarray(5),
      "\r\n0\r\n\r\n",
    ],
  });
  // Whether the 100 was still of use depends on how the pieces arrived.
  assert.match(chunked.text, /^(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 200 OK/);
  const two = await rawRequest({
    port: it.port,
    parts: [
      "GET /version HTTP/1.1\r\nhost: a\r\n\r\nGET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ],
  });
  assert.equal(two.text.split("HTTP/1.1 200 OK").length, 3);
  const bad = await rawRequest({ port: it.port, parts: ["nonsense\r\n\r\n"] });
  assert.equal(bad.status, 400);
});
