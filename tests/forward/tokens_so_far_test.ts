// The tokens of an answer so far: those that were told, and those that are made of its words.

import assert from "node:assert/strict";
import { TokensAsk } from "../../lib/forward/resume/from_tokens.ts";
import { TokenIds } from "../../lib/forward/resume/token_ids.ts";
import { knownTokens, madeTokens } from "../../lib/forward/resume/tokens_so_far.ts";
import type { Json } from "../../lib/json/json.ts";

/** A tokenizer whose tokens are the bytes of UTF-8. */
function bytesAsTokens(asked: [string, Json][] = []) {
  return (path: string, body: Json | null): Promise<Json | null> => {
    asked.push([path, body!]);
    if (path === "/detokenize") {
      const bytes = Uint8Array.from(body!.tokens as number[]);
      return Promise.resolve({ prompt: new TextDecoder().decode(bytes) });
    }
    const text = "messages" in body! ? "<prompt>" : String(body!.prompt);
    return Promise.resolve({ tokens: [...new TextEncoder().encode(text)] });
  };
}

function idsOf(text: string, without: number, keeps = false): TokenIds {
  const ids = new TokenIds(keeps);
  const bytes = [...new TextEncoder().encode(text)];
  for (const byte of bytes.slice(0, bytes.length - without)) ids.answer.push(byte);
  return ids;
}

Deno.test("tokens of a character that is not whole are made anew, the client having no text of them", async () => {
  for (const missing of [1, 2, 3]) {
    const so = await knownTokens(idsOf("ab🚀", missing), bytesAsTokens());
    assert.equal(so?.raw, "ab");
    assert.deepEqual(so?.answer, [97, 98]);
    assert.equal(so?.count, 2);
  }
  const whole = await knownTokens(idsOf("ab🚀", 0), bytesAsTokens());
  assert.equal(whole?.raw, "ab🚀");
  const alone = await knownTokens(idsOf("🚀", 1), bytesAsTokens());
  assert.deepEqual(alone?.answer, []);
});

Deno.test("a client that has the ids of half a character gets no others in their place", async () => {
  const chunk = (choice: Json) =>
    new TextEncoder().encode(`data: ${
      JSON.stringify({
        ...{ id: "first", object: "text_completion", created: 1, model: "m" },
        choices: [{ index: 0, finish_reason: null, ...choice }],
      })
    }\n\n`);
  const message = { role: "assistant", content: "ab" };
  const known = { usage: null, id: "first", model: "m", created: 1, malformed: 0, complete: false };
  const answer = { ...known, choices: [{ index: 0, message, finishReason: null }] };
  const heard = async (choice: Json) => {
    const ids = idsOf("ab🚀", 1, true);
    const had = [
      chunk({ text: "ab", token_ids: [97, 98] }),
      chunk({ text: "", token_ids: [240, 159, 154] }),
    ];
    const ask = new TokensAsk("exact", {
      api: "completions",
      request: { model: "m", prompt: "x", stream: true, max_tokens: 20, return_token_ids: true },
      sent: { answer, tokens: 5, events: () => had, ids },
      marks: [],
      contextLength: null,
    });
    assert.equal(await ask.prepare(bytesAsTokens()), "ready");
    assert.deepEqual(ask.ids().answer, [97, 98]);
    const said = ask.stages()[0].take(chunk(choice));
    return said && new TextDecoder().decode(said);
  };
  const rest = await heard({ text: "🚀!", token_ids: [240, 159, 154, 128, 33] });
  assert.match(rest!, /"text":"🚀!"/);
  assert.match(rest!, /"token_ids":\[128,33\]/);
  assert.equal(await heard({ text: "é", token_ids: [195, 169] }), null);
  const early = { text: "", finish_reason: "stop", token_ids: [240] };
  assert.equal(await heard(early), null);
  assert.deepEqual((await knownTokens(idsOf("ab🚀", 0, true), bytesAsTokens()))?.parts, []);
});

Deno.test("what stands for bytes that are no character is not counted as so many tokens", async () => {
  const request = { max_tokens: 9, messages: [{ role: "user", content: "hi" }] };
  const words = { reasoning: "", content: "ab\uFFFDc", calls: [] };
  const so = await madeTokens("messages", request, words, [], bytesAsTokens());
  assert.equal(so?.raw, "ab\uFFFDc");
  assert.equal(so?.answer.length, 6);
  assert.equal(so?.count, 3);
});

Deno.test("where the template refuses system text between turns, all of it stands at the beginning", async () => {
  const system = (content: string) => ({ role: "system", content });
  const user = { role: "user", content: "hi" };
  const request = { max_tokens: 9, system: "a", messages: [user, system("b"), user, system("c")] };
  const words = { reasoning: "", content: "xy", calls: [] };
  const asked: [string, Json][] = [];
  const bytes = bytesAsTokens(asked);
  const strict = (path: string, body: Json | null) => {
    const told = bytes(path, body);
    const late = (body?.messages as Json[] | undefined)?.slice(1)
      .some(({ role }) => role === "system");
    return late ? Promise.resolve(null) : told;
  };
  const so = await madeTokens("messages", request, words, [], strict);
  assert.equal(so?.raw, "xy");
  assert.equal(so?.prompt.length, "<prompt>".length);
  assert.deepEqual(asked[1][1].messages, [system("abc"), user, user]);
  const refused: [string, Json][] = [];
  const never = (path: string, body: Json | null) => {
    refused.push([path, body!]);
    return Promise.resolve(null);
  };
  const plain = { ...request, messages: [user] };
  assert.equal(await madeTokens("messages", plain, words, [], never), null);
  assert.equal(refused.length, 1);
});

Deno.test("a conversation that lies with the instance is not made up", async () => {
  const asked: [string, Json][] = [];
  const request = { input: "hi", previous_response_id: "resp_1" };
  const words = { reasoning: "", content: "ab", calls: [] };
  assert.equal(await madeTokens("responses", request, words, [], bytesAsTokens(asked)), null);
  assert.equal(asked.length, 0);
});

/** Goes on with a message that the first instance counted `promptTokens` for; the limit is reached. */
function messageAsk(promptTokens: number, more: Json = {}): TokensAsk {
  const event = (type: string, more: Json) =>
    new TextEncoder().encode(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`);
  const opened = { id: "m1", type: "message", role: "assistant", content: [], model: "m" };
  const usage = { input_tokens: promptTokens, output_tokens: 0 };
  const had = [
    event("message_start", { message: { ...opened, usage } }),
    event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
    ...["ab", "cde", "fg"].map((text) =>
      event("content_block_delta", { index: 0, delta: { type: "text_delta", text } })
    ),
  ];
  const message = { role: "assistant", content: "abcdefg" };
  const known = { usage, id: "m1", model: "m", created: 1, malformed: 0, complete: false };
  return new TokensAsk("continue", {
    api: "messages",
    request: {
      ...{ model: "m", max_tokens: 5, stream: true, messages: [{ role: "user", content: "x" }] },
      ...more,
    },
    sent: {
      answer: { ...known, choices: [{ index: 0, message, finishReason: null }] },
      tokens: 3,
      events: () => had,
      ids: null,
    },
    marks: [],
    contextLength: null,
  });
}

Deno.test("words that have more tokens anew than they may be are told as the limit", async () => {
  const ended = await messageAsk("<prompt>".length).prepare(bytesAsTokens());
  assert.ok(typeof ended === "object");
  assert.match(ended.end, /"stop_reason":"max_tokens"/);
  assert.match(ended.end, /"input_tokens":8,.*"output_tokens":5\b/);
});

Deno.test("a prompt of another length than the first instance told is not gone on from", async () => {
  const more = { max_tokens: 50 };
  assert.equal(await messageAsk(8, more).prepare(bytesAsTokens()), "ready");
  assert.equal(await messageAsk(9, more).prepare(bytesAsTokens()), "closed");
  assert.equal(await messageAsk(0, more).prepare(bytesAsTokens()), "ready");
});
