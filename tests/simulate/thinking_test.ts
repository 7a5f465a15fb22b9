// Thinking as a real vLLM shows it under a reasoning parser: by the marks in the tokens, whatever the
// model meant, with the template's empty thought where thinking is forbidden.

import assert from "node:assert/strict";
import { chatText } from "../support/sse.ts";
import { type Any, ask, stand } from "./stand.ts";

const CHAT = "/v1/chat/completions";
const MODEL = { reasoningTokens: 7, reasoningParser: "qwen3" as const };
const SILENT = { chat_template_kwargs: { enable_thinking: false } };

Deno.test("a parser tells reasoning from content by the marks, and every token has its id", async () => {
  await using it = await stand(MODEL);
  const answer = await it.stream(CHAT, {
    messages: ask("One"),
    stream: true,
    return_token_ids: true,
  });
  const said = chatText(answer);
  assert.equal(said.finishReason, "stop");
  assert.match(said.reasoning, /^\n/);
  assert.match(said.content, /^\n\n/);
  const { prompt } = await it.json("/detokenize", { tokens: said.tokenIds });
  assert.equal(prompt, `<think>${said.reasoning}</think>${said.content}<|im_end|>`);
  const mark = answer.json.find((chunk: Any) => chunk.choices[0].token_ids?.[0] === 3);
  assert.deepEqual(mark.choices[0].delta, {});
  const unasked = await it.stream(CHAT, { messages: ask("One"), stream: true });
  assert.equal(unasked.json.length, answer.json.length - 2);
});

Deno.test("a forbidden thought is an empty one of four tokens in the prompt", async () => {
  await using it = await stand(MODEL);
  const messages = ask("One");
  const { tokens: open } = await it.json("/tokenize", { messages });
  const { tokens: shut } = await it.json("/tokenize", { messages, ...SILENT });
  assert.equal(shut.length, open.length + 4);
  const answer = await it.json(CHAT, { messages, ...SILENT, return_token_ids: true });
  assert.equal(answer.usage.prompt_tokens, shut.length);
  assert.equal(answer.choices[0].message.reasoning, null);
  const ids = answer.choices[0].token_ids;
  const rest = await it.json("/v1/completions", {
    prompt: [...shut, ...ids.slice(0, 9)],
    max_tokens: 500,
    return_token_ids: true,
  });
  assert.deepEqual(rest.choices[0].token_ids, ids.slice(9));
});

Deno.test("an open answer is all reasoning to a parser, unless the prompt or the request says no", async () => {
  for (const reasoningParser of ["qwen3", "deepseek_r1"] as const) {
    await using it = await stand({ reasoningParser });
    const open = {
      messages: [...ask("One"), { role: "assistant", content: "The answer" }],
      add_generation_prompt: false,
      continue_final_message: true,
    };
    const { message } = (await it.json(CHAT, open)).choices[0];
    assert.equal(message.content, null, reasoningParser);
    assert.ok(message.reasoning.length > 20, reasoningParser);
    const marked = { ...open, messages: [...open.messages] };
    marked.messages[1] = { role: "assistant", content: "<think>\nHm</think>\n\nThe answer" };
    const after = (await it.json(CHAT, marked)).choices[0].message;
    assert.equal(after.reasoning, null, reasoningParser);
    const told = (await it.json(CHAT, { ...open, ...SILENT })).choices[0].message;
    assert.equal(told.reasoning === null, reasoningParser === "qwen3");
  }
});

Deno.test("completions know no parser: the marks are text", async () => {
  await using it = await stand(MODEL);
  const { tokens } = await it.json("/tokenize", { messages: ask("One") });
  const rest = await it.json("/v1/completions", { prompt: tokens, max_tokens: 500 });
  const said = (await it.json(CHAT, { messages: ask("One") })).choices[0].message;
  assert.equal(rest.choices[0].text, `<think>${said.reasoning}</think>${said.content}`);
});

Deno.test("an answer by ids of /tokenize goes on where a message or response broke off", async () => {
  await using it = await stand(MODEL);
  const whole = await it.json("/v1/messages", { messages: ask("One"), max_tokens: 300 });
  const [thought, text] = whole.content;
  const said = `<think>${thought.thinking}</think>${text.text.slice(0, 20)}`;
  const { tokens } = await it.json("/tokenize", {
    messages: [...ask("One"), { role: "assistant", content: said }],
    add_generation_prompt: false,
    continue_final_message: true,
  });
  const rest = await it.json("/v1/completions", { prompt: tokens, max_tokens: 300 });
  assert.equal(text.text.slice(0, 20) + rest.choices[0].text, text.text);
});

Deno.test("an assistant's turn at the end of /v1/messages is closed and another opened", async () => {
  await using it = await stand();
  const messages = [...ask("One"), { role: "assistant", content: "The answer" }];
  const { tokens } = await it.json("/tokenize", { messages });
  const answer = await it.json("/v1/messages", { messages, max_tokens: 10 });
  assert.equal(answer.usage.input_tokens, tokens.length);
});

Deno.test("two instances answer the same at temperature 0 but for ids and times", async () => {
  await using first = await stand(MODEL);
  await using second = await stand(MODEL);
  const bodies: [string, object][] = [
    [CHAT, { messages: ask("One") }],
    ["/v1/completions", { prompt: "One", max_tokens: 60 }],
    ["/v1/messages", { messages: ask("One"), max_tokens: 60 }],
    ["/v1/responses", { input: "One" }],
  ];
  for (const [path, body] of bodies) {
    const plain = (events: Any[]) =>
      JSON.stringify(events).replace(/"(id|item_id)":"[^"]*"|"created(_at)?":\d+/g, "");
    const one = await first.stream(path, { ...body, stream: true });
    const other = await second.stream(path, { ...body, stream: true });
    assert.equal(plain(one.json), plain(other.json), path);
    if (path === "/v1/responses") {
      assert.ok(one.json.every((event: Any, at: number) => event.sequence_number === at));
    }
  }
});
