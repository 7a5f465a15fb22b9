// The chat dialect on the wire: order of chunks, keys, usage, tools, reasoning, stops and errors.

import assert from "node:assert/strict";
import { chatText } from "../support/sse.ts";
import { type Any, ask, stand, WEATHER } from "./stand.ts";

const CHAT = "/v1/chat/completions";

Deno.test("a stream is a role chunk, tokens, a finish, usage and [DONE]", async () => {
  await using it = await stand({ tokens: 5 });
  const answer = await it.stream(CHAT, {
    model: "demo",
    messages: ask("Hello"),
    stream: true,
    stream_options: { include_usage: true },
  });
  assert.equal(answer.error, null);
  const [role, ...rest] = answer.json;
  assert.deepEqual(role.choices[0].delta, { role: "assistant", content: "" });
  const last = rest.pop();
  assert.deepEqual(last.choices, []);
  assert.equal(last.usage.completion_tokens, 6);
  assert.equal(last.usage.total_tokens, last.usage.prompt_tokens + 6);
  const finish = rest.pop();
  assert.equal(finish.choices[0].finish_reason, "stop");
  assert.equal(rest.length, 5);
  assert.ok(rest.every((chunk) => chunk.choices[0].finish_reason === null));
  assert.ok(answer.json.every((chunk) => chunk.id === role.id && chunk.model === "demo"));
  assert.equal(answer.events.at(-1)?.data, "[DONE]");
});

Deno.test("the same question gets the same answer, streamed or not, and another another", async () => {
  await using it = await stand();
  const whole = await it.json(CHAT, { messages: ask("One") });
  const streamed = await it.stream(CHAT, { messages: ask("One"), stream: true });
  assert.equal(chatText(streamed).content, whole.choices[0].message.content);
  const other = await it.json(CHAT, { messages: ask("Two") });
  assert.notEqual(other.choices[0].message.content, whole.choices[0].message.content);
});

Deno.test("sampling differs between calls unless it has a seed", async () => {
  await using it = await stand();
  const content = async (more: object) =>
    (await it.json(CHAT, { messages: ask("One"), temperature: 1, ...more })).choices.map(
      (choice: Any) => choice.message.content,
    );
  assert.notDeepEqual(await content({}), await content({}));
  assert.deepEqual(await content({ seed: 3 }), await content({ seed: 3 }));
  const [first, second] = await content({ seed: 3, n: 2 });
  assert.notEqual(first, second);
});

Deno.test("several choices interleave, each with its role, finish and own text", async () => {
  await using it = await stand({ tokens: 4 });
  const answer = await it.stream(CHAT, {
    messages: ask("Hi"),
    n: 3,
    temperature: 1,
    seed: 1,
    stream: true,
  });
  const order = answer.json.map((chunk: Any) => chunk.choices[0].index);
  assert.deepEqual(order.slice(0, 6), [0, 1, 2, 0, 1, 2]);
  for (const index of [0, 1, 2]) assert.equal(chatText(answer, index).finishReason, "stop");
});

Deno.test("max_tokens ends with length, stop strings with stop and are not shown", async () => {
  await using it = await stand();
  const short = await it.json(CHAT, { messages: ask("One"), max_tokens: 7 });
  assert.equal(short.choices[0].finish_reason, "length");
  assert.equal(short.usage.completion_tokens, 7);
  const whole = (await it.json(CHAT, { messages: ask("One") })).choices[0].message.content;
  const word = whole.split(" ")[6];
  const stopped = await it.stream(CHAT, { messages: ask("One"), stop: [word], stream: true });
  assert.equal(chatText(stopped).content, whole.slice(0, whole.indexOf(word)));
  const finish = stopped.json.find((chunk: Any) => chunk.choices[0]?.finish_reason);
  assert.equal(finish.choices[0].finish_reason, "stop");
  assert.equal(finish.choices[0].stop_reason, word);
});

Deno.test("token ids come with the prompt's in the first chunk, and are those of the text", async () => {
  await using it = await stand();
  const body = { messages: ask("One"), return_token_ids: true };
  const whole = await it.json(CHAT, body);
  const streamed = chatText(await it.stream(CHAT, { ...body, stream: true }));
  assert.deepEqual(streamed.tokenIds, whole.choices[0].token_ids);
  assert.deepEqual(streamed.promptTokenIds, whole.prompt_token_ids);
  const { prompt } = await it.json("/detokenize", { tokens: streamed.tokenIds });
  assert.equal(prompt, `${streamed.content}<|im_end|>`);
});

Deno.test("continuous usage counts up in every chunk", async () => {
  await using it = await stand({ tokens: 3 });
  const answer = await it.stream(CHAT, {
    messages: ask("One"),
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
  });
  const counts = answer.json.filter((chunk: Any) => chunk.usage).map((chunk: Any) =>
    chunk.usage.completion_tokens
  );
  assert.deepEqual(counts, [0, 1, 2, 3, 4, 4]);
});

Deno.test("reasoning comes before the answer, in the field of either version", async () => {
  for (const reasoningField of ["reasoning", "reasoning_content"] as const) {
    await using it = await stand({ reasoningTokens: 6, reasoningField });
    const answer = await it.stream(CHAT, { messages: ask("One"), stream: true });
    const fields = answer.json.map((chunk: Any) => Object.keys(chunk.choices[0].delta).join());
    assert.equal(fields.filter((field: string) => field === reasoningField).length, 6);
    assert.ok(fields.lastIndexOf(reasoningField) < fields.lastIndexOf("content"));
    assert.doesNotMatch(chatText(answer).content, /think/);
    const whole = await it.json(CHAT, { messages: ask("One") });
    assert.equal(whole.choices[0].message[reasoningField], chatText(answer).reasoning);
  }
});

Deno.test("a tool call comes in fragments that join to JSON; a named one ends with stop", async () => {
  await using it = await stand();
  const body = { messages: ask("Use get_weather please"), tools: [WEATHER], stream: true };
  const answer = await it.stream(CHAT, body);
  const said = chatText(answer);
  assert.equal(said.finishReason, "tool_calls");
  assert.equal(said.toolCalls[0].name, "get_weather");
  assert.match(said.toolCalls[0].id, /^chatcmpl-tool-/);
  assert.deepEqual(Object.keys(JSON.parse(said.toolCalls[0].arguments)), ["city", "days"]);
  const fragments = answer.json.filter((chunk: Any) => chunk.choices[0].delta.tool_calls);
  assert.ok(fragments.length > 4);
  const named = await it.json(CHAT, {
    messages: ask("Hello"),
    tools: [WEATHER],
    tool_choice: { type: "function", function: { name: "get_weather" } },
  });
  assert.equal(named.choices[0].finish_reason, "stop");
  assert.equal(named.choices[0].message.tool_calls[0].function.name, "get_weather");
  const required = await it.json(CHAT, {
    messages: ask("Hello"),
    tools: [WEATHER],
    tool_choice: "required",
  });
  assert.equal(required.choices[0].finish_reason, "tool_calls");
});

Deno.test("a tool's result is answered with text", async () => {
  await using it = await stand();
  const answer = await it.json(CHAT, {
    tools: [WEATHER],
    messages: [
      ...ask("Use get_weather"),
      { role: "assistant", tool_calls: [{ function: { name: "get_weather", arguments: "{}" } }] },
      { role: "tool", content: "sunny" },
    ],
  });
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.ok(answer.choices[0].message.content.length > 0);
});

Deno.test("logprobs come one a token, with the alternatives asked for", async () => {
  await using it = await stand({ tokens: 3 });
  const body = { messages: ask("One"), logprobs: true, top_logprobs: 2 };
  const whole = await it.json(CHAT, body);
  const { content } = whole.choices[0].logprobs;
  assert.equal(content.length, whole.usage.completion_tokens);
  assert.ok(content.every((entry: Any) => entry.logprob < 0 && entry.top_logprobs.length === 2));
  const streamed = await it.stream(CHAT, { ...body, stream: true });
  const entries = streamed.json.flatMap((chunk: Any) => chunk.choices[0].logprobs?.content ?? []);
  assert.deepEqual(entries, content);
});

Deno.test("errors have vLLM's status, type, parameter and integer code", async () => {
  await using it = await stand({ maxModelLen: 40 });
  const cases: [body: unknown, status: number, type: string, message: RegExp][] = [
    [
      { model: "x", messages: ask("a") },
      404,
      "NotFoundError",
      /^The model `x` does not exist\. Valid/,
    ],
    [{ model: "demo" }, 400, "Bad Request", /messages.*Field required/s],
    ["{not json", 400, "Bad Request", /json_invalid/],
    [{ messages: ask("word ".repeat(50)) }, 400, "BadRequestError", /maximum context length is 40/],
    [{ messages: ask("a"), max_tokens: 0 }, 400, "BadRequestError", /at least 1, got 0/],
    [{ messages: ask("a"), tools: [] }, 400, "Bad Request", /at least 1 item/],
    [{ messages: ask("a"), tool_choice: "auto" }, 400, "Bad Request", /`tools` must be set/],
    [{ messages: ask("a"), stream_options: {} }, 400, "Bad Request", /Stream options/],
    [{ messages: ask("a"), continue_final_message: true }, 400, "Bad Request", /Cannot set both/],
  ];
  for (const [body, status, type, message] of cases) {
    const response = await it.post(CHAT, body);
    const { error } = await response.json();
    assert.equal(response.status, status, JSON.stringify(body));
    assert.equal(error.code, status);
    assert.equal(error.type, type);
    assert.match(error.message, message);
  }
  const text = await it.post(CHAT, "{}", { "content-type": "text/plain" });
  assert.equal(text.status, 400);
  assert.match((await text.json()).error.message, /Only 'application\/json'/);
  const wrong = await fetch(it.origin + CHAT);
  assert.equal(wrong.status, 405);
  await wrong.body?.cancel();
});

Deno.test("without its key a request gets the string error, outside /v1 none is asked for", async () => {
  await using it = await stand({ apiKey: "secret" });
  const refused = await it.post(CHAT, { messages: ask("a") });
  assert.equal(refused.status, 401);
  assert.deepEqual(await refused.json(), { error: "Unauthorized" });
  const headers = { authorization: "Bearer secret" };
  await it.json(CHAT, { messages: ask("a") }, headers);
  await it.json("/tokenize", { prompt: "a" });
});
