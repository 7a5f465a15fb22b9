// Tokens as a real vLLM has them: several in an event, events without text, ids that the text does not
// give back, and what a continuation therefore gets right and wrong.

import assert from "node:assert/strict";
import { chatText } from "../support/sse.ts";
import { type Any, ask, type Stand, stand } from "./stand.ts";

const CHAT = "/v1/chat/completions";
const COMPLETIONS = "/v1/completions";
const REAL = { byteTokens: true, oddPieces: true };
const LONG = { messages: ask("Tell me 故事"), max_tokens: 60, ignore_eos: true };

/** Events of a stream that show or finish something. */
const events = (chunks: Any[]) => chunks.filter(({ choices }) => choices[0]?.delta.content);

Deno.test("a character of several tokens has one event, and one for each token where ids are asked for", async () => {
  await using it = await stand(REAL);
  const plain = await it.stream(CHAT, { ...LONG, stream: true });
  const counted = await it.stream(CHAT, { ...LONG, stream: true, return_token_ids: true });
  const tokens = counted.json.filter((chunk: Any) => chunk.choices[0].token_ids);
  assert.equal(tokens.length, 60);
  assert.ok(events(plain.json).length < 60);
  const silent = tokens.filter((chunk: Any) => Object.keys(chunk.choices[0].delta).length === 0);
  assert.ok(silent.length > 0);
  assert.ok(silent.every((chunk: Any) => chunk.choices[0].token_ids.length === 1));
  assert.equal(chatText(plain).content, chatText(counted).content);
  assert.match(chatText(plain).content, /\p{Script=Han}/u);
  const logprobs = await it.stream(CHAT, { ...LONG, stream: true, logprobs: true });
  const entries = logprobs.json.flatMap((chunk: Any) => chunk.choices[0].logprobs?.content ?? []);
  assert.equal(entries.length, 60);
  await using bare = await stand({ ...REAL, emptyEvents: true });
  const every = await bare.stream(CHAT, { ...LONG, stream: true });
  assert.equal(every.json.filter((chunk: Any) => "token_ids" in chunk.choices[0]).length, 60);
});

Deno.test("a stream interval puts several tokens into an event, usage and ids count them all", async () => {
  await using it = await stand({ streamInterval: 10 });
  const answer = await it.stream(CHAT, {
    ...LONG,
    stream: true,
    return_token_ids: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
  });
  const sizes = answer.json.map((chunk: Any) => chunk.choices[0]?.token_ids?.length)
    .filter((size: number | undefined) => size !== undefined);
  assert.deepEqual(sizes, [1, 10, 10, 10, 10, 10, 9]);
  const counts = answer.json.map((chunk: Any) => chunk.usage.completion_tokens);
  assert.deepEqual(counts, [0, 1, 11, 21, 31, 41, 51, 60, 60]);
  await using plain = await stand();
  const whole = await plain.stream(CHAT, { ...LONG, stream: true, return_token_ids: true });
  assert.deepEqual(chatText(answer), chatText(whole));
  const asked = await plain.stream(CHAT, { ...LONG, stream: true, stream_interval: 30 });
  assert.equal(events(asked.json).length, 3);
});

Deno.test("tokens that leave together make fewer events of the same text in every API", async () => {
  await using single = await stand({ reasoningTokens: 8 });
  await using several = await stand({ reasoningTokens: 8, coalesce: 0.4 });
  const bodies: [string, object][] = [
    [CHAT, { messages: ask("One") }],
    [COMPLETIONS, { prompt: "One", max_tokens: 60 }],
    ["/v1/messages", { messages: ask("One"), max_tokens: 60 }],
    ["/v1/responses", { input: "One" }],
  ];
  const text = (events: Any[]) =>
    events.map((event) =>
      event.choices?.[0]?.delta?.content ?? event.choices?.[0]?.text ?? event.delta?.text ??
        (event.type === "response.output_text.delta" ? event.delta : "")
    ).join("");
  for (const [path, body] of bodies) {
    const one = await single.stream(path, { ...body, stream: true });
    const other = await several.stream(path, { ...body, stream: true });
    assert.ok(other.json.length < one.json.length * 0.85, path);
    assert.equal(text(other.json), text(one.json), path);
    assert.ok(text(one.json).length > 20, path);
  }
});

Deno.test("a server that forces usage has it in every chunk, the role's too", async () => {
  await using it = await stand({ forceIncludeUsage: true });
  for (const [path, body] of [[CHAT, LONG], [COMPLETIONS, { prompt: "a" }]] as const) {
    const answer = await it.stream(path, { ...body, stream: true });
    assert.ok(answer.json.every((chunk: Any) => chunk.usage.prompt_tokens > 0), path);
    assert.deepEqual(answer.json.at(-1).choices, []);
  }
});

/** What comes after `cut` tokens by ids, and after the text of these tokens. */
async function continued(it: Stand, body: Any, cut: number) {
  const whole = await it.json(CHAT, { ...body, return_token_ids: true });
  const { token_ids: ids, message } = whole.choices[0];
  const left = { ...body, messages: undefined, max_tokens: body.max_tokens - cut };
  const exact = await it.json(COMPLETIONS, {
    ...left,
    prompt: [...whole.prompt_token_ids, ...ids.slice(0, cut)],
    add_special_tokens: false,
    skip_special_tokens: false,
    return_token_ids: true,
  });
  const { prompt } = await it.json("/detokenize", { tokens: ids.slice(0, cut) });
  const open = await it.json(CHAT, {
    ...left,
    messages: [...body.messages, { role: "assistant", content: prompt }],
    add_generation_prompt: false,
    continue_final_message: true,
  });
  return {
    ids: ids.slice(cut),
    exact: exact.choices[0].token_ids,
    rest: message.content.slice(prompt.length),
    open: open.choices[0].message.content,
  };
}

Deno.test("ids are continued exactly, text is not where it is encoded in other pieces", async () => {
  await using it = await stand(REAL);
  const body = { ...LONG, temperature: 0 };
  let same = 0;
  for (const cut of [5, 17, 30, 43, 59]) {
    const { ids, exact, rest, open } = await continued(it, body, cut);
    assert.deepEqual(exact, ids, `cut at ${cut}`);
    if (rest === open) same++;
  }
  assert.ok(same < 5, "some continuation of the text goes another way");
  const both = { ...body, repetition_penalty: 1.2 };
  const { ids, exact } = await continued(it, both, 30);
  assert.deepEqual(exact, ids);
});

Deno.test("penalties of the answer's tokens do not count those that went into the prompt", async () => {
  await using it = await stand();
  for (const penalty of ["frequency_penalty", "presence_penalty"]) {
    const body = { ...LONG, max_tokens: 120, temperature: 0, [penalty]: 1.5 };
    const { ids, exact } = await continued(it, body, 80);
    assert.notDeepEqual(exact, ids, penalty);
    const plain = await it.json(CHAT, { ...body, [penalty]: 0, return_token_ids: true });
    const punished = await it.json(CHAT, { ...body, return_token_ids: true });
    assert.notDeepEqual(plain.choices[0].token_ids, punished.choices[0].token_ids);
  }
});

Deno.test("seeded sampling is the same everywhere and begins anew with a continuation", async () => {
  await using first = await stand();
  await using second = await stand();
  const body = { ...LONG, temperature: 0.8, seed: 7 };
  const answers = [await first.json(CHAT, body), await second.json(CHAT, body)];
  assert.equal(
    answers[0].choices[0].message.content,
    answers[1].choices[0].message.content,
  );
  const { ids, exact } = await continued(first, body, 20);
  assert.notDeepEqual(exact, ids);
});

Deno.test("what ignore_eos passes over is text only where special tokens are shown", async () => {
  await using it = await stand({ tokens: 10 });
  const body = { messages: ask("One"), max_tokens: 30, ignore_eos: true };
  const hidden = (await it.json(CHAT, body)).choices[0].message.content;
  const shown = (await it.json(CHAT, { ...body, skip_special_tokens: false })).choices[0].message;
  assert.doesNotMatch(hidden, /<\|im_end\|>/);
  assert.match(shown.content, /<\|im_end\|>/);
  assert.equal(shown.content.replaceAll("<|im_end|>", ""), hidden);
});

Deno.test("with include_stop_str_in_output nothing is held back and the stop string ends the text", async () => {
  await using it = await stand({ answer: "one two three four five" });
  const body = { messages: ask("?"), stop: ["three four"], stream: true, return_token_ids: true };
  const held = await it.stream(CHAT, body);
  const shown = await it.stream(CHAT, { ...body, include_stop_str_in_output: true });
  assert.equal(chatText(held).content, "one two ");
  assert.equal(chatText(shown).content, "one two three four");
  assert.equal(shown.json[2].choices[0].delta.content, " two");
});

Deno.test("numbers and booleans come in the lax forms that pydantic takes", async () => {
  await using it = await stand();
  const two = await it.json(CHAT, { messages: ask("a"), n: "2", max_tokens: "3" });
  assert.equal(two.choices.length, 2);
  assert.equal(two.usage.completion_tokens, 6);
  for (const stream of [1, "true", "on", true]) {
    const answer = await it.stream(CHAT, {
      messages: ask("a"),
      stream,
      stream_options: { include_usage: "yes" },
    });
    assert.equal(answer.done, true, String(stream));
    assert.ok(answer.json.at(-1).usage);
  }
  for (const body of [{ stream: "maybe" }, { n: "two" }, { n: 1.5 }, { temperature: "hot" }]) {
    const response = await it.post(CHAT, { messages: ask("a"), ...body });
    assert.equal(response.status, 400, JSON.stringify(body));
    await response.body?.cancel();
  }
});

Deno.test("a token that ends an answer has no text, unless stop strings are shown", async () => {
  await using it = await stand({ answer: "one two three" });
  const body = { prompt: "?", max_tokens: 20, return_token_ids: true, skip_special_tokens: false };
  const ended = (more: object) => it.json(COMPLETIONS, { ...body, ...more });
  const [whole] = (await ended({})).choices;
  assert.equal(whole.text, "one two three");
  const two = whole.token_ids[1];
  const shown = { include_stop_str_in_output: true };
  assert.equal((await ended(shown)).choices[0].text, "one two three<|im_end|>");
  const stopped = (await ended({ stop_token_ids: [two] })).choices[0];
  assert.deepEqual([stopped.text, stopped.stop_reason], ["one", two]);
  assert.equal((await ended({ stop_token_ids: [two], ...shown })).choices[0].text, "one two");
  // What was held back for a stop string comes with the end.
  assert.equal((await ended({ stop_token_ids: [two], stop: "one more" })).choices[0].text, "one");
});

Deno.test("no stop string and no stop token ends an answer among its first min_tokens", async () => {
  await using it = await stand({ answer: "one two three two three" });
  const body = { prompt: "?", max_tokens: 20, return_token_ids: true };
  const said = async (more: object) =>
    (await it.json(COMPLETIONS, { ...body, ...more })).choices[0].text;
  assert.equal(await said({ stop: "two", min_tokens: 1 }), "one ");
  assert.equal(await said({ stop: "two", min_tokens: 2 }), "one two three ");
  const [, two] = (await it.json(COMPLETIONS, body)).choices[0].token_ids;
  assert.equal(await said({ stop_token_ids: [two], min_tokens: 2 }), "one two three");
});

Deno.test("special tokens that a parser does not look for are in no thought and no text", async () => {
  await using it = await stand({ reasoningTokens: 4, reasoningParser: "qwen3", tokens: 4 });
  const body = { ...LONG, skip_special_tokens: false };
  const { message } = (await it.json(CHAT, body)).choices[0];
  assert.doesNotMatch(message.reasoning + message.content, /<\|/);
  const off = { ...body, chat_template_kwargs: { enable_thinking: false } };
  assert.match((await it.json(CHAT, off)).choices[0].message.content, /<\|im_end\|>/);
});

Deno.test("of a character of several tokens the last one's probability has its text", async () => {
  await using it = await stand({ ...REAL, answer: "a 山 b" });
  const { choices: [choice] } = await it.json(COMPLETIONS, { prompt: "?", logprobs: 0 });
  assert.deepEqual(choice.logprobs.tokens.slice(0, 6), ["a", " ", "", "", "山", " b"]);
  assert.equal(choice.logprobs.tokens.join(""), "a 山 b<|im_end|>");
});
