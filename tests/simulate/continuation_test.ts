// An answer broken off at one instance and continued at another: by token ids, as text and as an
// open assistant message, each yields exactly what was missing.

import assert from "node:assert/strict";
import { chatText } from "../support/sse.ts";
import { ask, stand } from "./stand.ts";

const CHAT = "/v1/chat/completions";

Deno.test("a continuation by token ids yields exactly the missing tokens, wherever it was cut", async () => {
  await using first = await stand({ seed: 5, reasoningTokens: 7 });
  await using second = await stand({ seed: 5, reasoningTokens: 7 });
  const whole = await first.json(CHAT, { messages: ask("Tell me 故事"), return_token_ids: true });
  const ids: number[] = whole.choices[0].token_ids;
  for (let cut = 0; cut < ids.length - 1; cut++) {
    const rest = await second.json("/v1/completions", {
      prompt: [...whole.prompt_token_ids, ...ids.slice(0, cut)],
      max_tokens: 1000,
      return_token_ids: true,
      add_special_tokens: false,
    });
    assert.deepEqual(rest.choices[0].token_ids, ids.slice(cut), `cut at ${cut}`);
    assert.equal(rest.choices[0].finish_reason, "stop");
  }
});

Deno.test("an open assistant message is continued with exactly the missing text", async () => {
  await using first = await stand({ seed: 5 });
  await using second = await stand({ seed: 5 });
  const messages = ask("Tell me");
  const answer = await first.stream(CHAT, { messages, stream: true });
  const pieces = answer.json.map((chunk) => chunk.choices[0].delta.content ?? "").filter(Boolean);
  const whole = pieces.join("");
  for (let cut = 1; cut < pieces.length; cut++) {
    const said = pieces.slice(0, cut).join("");
    const body = {
      messages: [...messages, { role: "assistant", content: said }],
      continue_final_message: true,
      add_generation_prompt: false,
    };
    const rest = chatText(await second.stream(CHAT, { ...body, stream: true }));
    assert.equal(said + rest.content, whole, `cut at ${cut}`);
    assert.equal(rest.finishReason, "stop");
    const echoed = await second.json(CHAT, { ...body, echo: true });
    assert.equal(echoed.choices[0].message.content, whole);
  }
});

Deno.test("a message with reasoning is continued in both its parts", async () => {
  await using it = await stand({ reasoningTokens: 9 });
  const messages = ask("Think");
  const whole = chatText(await it.stream(CHAT, { messages, stream: true }));
  const half = whole.content.split(" ").slice(0, 8).join(" ");
  const rest = chatText(
    await it.stream(CHAT, {
      messages: [...messages, { role: "assistant", reasoning: whole.reasoning, content: half }],
      continue_final_message: true,
      add_generation_prompt: false,
      stream: true,
    }),
  );
  assert.equal(rest.reasoning, "");
  assert.equal(half + rest.content, whole.content);
});

Deno.test("a completion is continued as text with exactly the missing text", async () => {
  await using first = await stand({ seed: 2 });
  await using second = await stand({ seed: 2 });
  const prompt = "Once upon a time";
  const answer = await first.stream("/v1/completions", { prompt, max_tokens: 500, stream: true });
  const pieces = answer.json.map((chunk) => chunk.choices[0].text);
  const whole = pieces.join("");
  assert.equal(chatText(answer).finishReason, "stop");
  for (let cut = 1; cut < pieces.length - 1; cut++) {
    const said = pieces.slice(0, cut).join("");
    const rest = await second.json("/v1/completions", { prompt: prompt + said, max_tokens: 500 });
    assert.equal(said + rest.choices[0].text, whole, `cut at ${cut}`);
  }
});

Deno.test("a given answer and a given length are continued to the same end", async () => {
  const text = "The answer, 答案, is forty-two: quite extraordinary.";
  await using it = await stand({ answer: text });
  const whole = await it.json(CHAT, { messages: ask("?"), return_token_ids: true });
  assert.equal(whole.choices[0].message.content, text);
  const ids = whole.choices[0].token_ids;
  const rest = await it.json("/v1/completions", {
    prompt: [...whole.prompt_token_ids, ...ids.slice(0, 4)],
    max_tokens: 100,
    return_token_ids: true,
  });
  assert.deepEqual(rest.choices[0].token_ids, ids.slice(4));

  await using sized = await stand({ tokens: 12 });
  const twelve = await sized.json(CHAT, { messages: ask("?"), return_token_ids: true });
  assert.equal(twelve.choices[0].token_ids.length, 13);
  const last = await sized.json("/v1/completions", {
    prompt: [...twelve.prompt_token_ids, ...twelve.choices[0].token_ids.slice(0, 9)],
    max_tokens: 100,
  });
  assert.equal(last.usage.completion_tokens, 4);
});

Deno.test("another seed is another model", async () => {
  await using first = await stand({ seed: 1 });
  await using second = await stand({ seed: 2 });
  const body = { messages: ask("Tell me") };
  const [one, two] = [await first.json(CHAT, body), await second.json(CHAT, body)];
  assert.notEqual(one.choices[0].message.content, two.choices[0].message.content);
});

Deno.test("an empty open message is refused, as chat templates do", async () => {
  await using it = await stand();
  const response = await it.post(CHAT, {
    messages: [...ask("a"), { role: "assistant", content: "" }],
    continue_final_message: true,
    add_generation_prompt: false,
  });
  assert.equal(response.status, 400);
  await response.body?.cancel();
});
