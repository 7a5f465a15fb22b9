// The tokenizer and the model by themselves: what continuations elsewhere rely on.

import assert from "node:assert/strict";
import { advance, initialState, nextToken } from "../../lib/simulate/model.ts";
import { decode, encode, isTokenId } from "../../lib/simulate/tokenizer.ts";

const TEXTS = [
  "",
  "Hello there, how are you today?",
  "  two  spaces\n\nand\ttabs ",
  "你好，世界。🙂🚀 naïve façade",
  "<|im_start|>user\nunbelievably_long_identifier42<|im_end|>\n",
  '{"name": "get_weather", "arguments": {"city": "北京"}}',
  "a<thin k>lone \ud83d surrogate is no text but must not crash".replace("\ud83d", "\u{1F600}"),
];

Deno.test("every text comes back from its tokens", () => {
  for (const text of TEXTS) assert.equal(decode(encode(text)), text);
  for (const text of TEXTS) assert.ok(encode(text).every(isTokenId));
});

Deno.test("generated tokens are the tokens of the generated text, after any prompt", () => {
  for (const prompt of [...TEXTS, "Once upon a time", "ends in a space ", "ends with Qwerty"]) {
    const ids = encode(prompt);
    const state = initialState(7);
    for (const id of ids) advance(state, id);
    for (let count = 0; count < 300; count++) {
      const id = nextToken(state, 0);
      advance(state, id);
      ids.push(id);
    }
    assert.deepEqual(encode(decode(ids)), ids, prompt);
  }
});

Deno.test("answers have tokens of several bytes", () => {
  const state = initialState(1);
  const ids: number[] = [];
  for (let count = 0; count < 500; count++) {
    ids.push(nextToken(state, 0));
    advance(state, ids[ids.length - 1]);
  }
  assert.match(decode(ids), /\p{Script=Han}/u);
  assert.match(decode(ids), /\p{Extended_Pictographic}/u);
});

Deno.test("ids outside the vocabulary are none", () => {
  for (const id of [-1, 1.5, 99, 4095, 1e9, "7", null]) assert.equal(isTokenId(id), false);
});
