// Where the prompt stands in a body, and what stands for it. Numbers are those of the edge cases in
// docs/decisions/routing.md.

import assert from "node:assert/strict";
import type { Api } from "../../lib/api/dialects.ts";
import type { ClientRequest } from "../../lib/http/client.ts";
import { PromptHasher } from "../../lib/pool/prefix/chain.ts";
import { readFields } from "../../lib/server/read.ts";

const encoder = new TextEncoder();

async function promptIn(body: string, api: Api | null = "chat") {
  const request = { method: "POST", headers: [["content-type", "application/json"]] };
  const bytes = encoder.encode(body);
  const { prompt } = await readFields(request as unknown as ClientRequest, bytes, api);
  const text = prompt.parts.map(({ start, end }) =>
    new TextDecoder().decode(bytes.subarray(start, end))
  );
  return { ...prompt, text, chain: new PromptHasher().chain(bytes, prompt) };
}

const text = (name: string) => `${name} `.repeat(400);
const messages = `[{"role":"user","content":"${text("hello")}"}]`;
const tools = `[{"type":"function","function":{"name":"f","description":"${text("tool")}"}}]`;

Deno.test("6: the prompt is hashed in the order in which the model reads it, whatever the order of the fields", async () => {
  const cases: [Api, string, string[]][] = [
    ["chat", `{"messages":${messages},"temperature":1,"tools":${tools}}`, [tools, messages]],
    ["completions", `{"prompt":"${text("a")}","suffix":"x"}`, [`"${text("a")}"`]],
    [
      "responses",
      `{"input":"${text("i")}","tools":${tools},"instructions":"be good"}`,
      ['"be good"', tools, `"${text("i")}"`],
    ],
    [
      "messages",
      `{"max_tokens":5,"messages":${messages},"system":"s","tools":${tools}}`,
      [tools, '"s"', messages],
    ],
  ];
  for (const [api, body, parts] of cases) {
    assert.deepEqual((await promptIn(body, api)).text, parts, api);
  }
  const one = await promptIn(`{"messages":${messages},"tools":${tools}}`);
  const other = await promptIn(`{"user":"u","tools":${tools},"n":1,"messages":${messages}}`);
  assert.deepEqual(one.chain.lanes, other.chain.lanes);
  assert.ok(one.chain.length >= 8);
});

Deno.test("8: of several prompts the first is hashed and all are counted; token ids are counted as such", async () => {
  const ids = Array.from({ length: 900 }, (_, n) => 1000 + n).join();
  const one = await promptIn(`{"prompt":[${ids}]}`, "completions");
  assert.equal(one.chain.tokens(4), 900);
  assert.equal(one.ids, 900);
  const many = await promptIn(`{"prompt":[ [${ids}] , [1,2,3] ]}`, "completions");
  assert.deepEqual(many.text, [`[${ids}]`]);
  assert.equal(many.moreBytes, " , [1,2,3] ]".length + "[ ".length - 2);
  const texts = await promptIn(`{"prompt":["${text("a")}\\"]","${text("b")}"]}`, "completions");
  assert.deepEqual(texts.text, [`"${text("a")}\\"]"`]);
  assert.ok(texts.chain.tokens(4) > 390);
  assert.ok(texts.chain.contextTokens(4) < 210, "each prompt has a context of its own");
  const other = await promptIn(`{"input":["${text("a")}"]}`, null);
  assert.ok(other.chain.tokens(4) > 190, "what no API says has a length");
  assert.equal(other.chain.contextTokens(4), 0);
});

Deno.test("10: a body with two lists of messages, none, or another thing in their place is no fault here", async () => {
  assert.deepEqual((await promptIn(`{"messages":[1],"messages":${messages}}`)).text, [messages]);
  for (
    const body of [
      "{}",
      '{"messages":[]}',
      '{"messages":null}',
      '{"messages":7}',
      '{"messages":{}}',
      '{"prompt":[]}',
      '{"prompt":[[]]}',
      '{"prompt":[[]',
      '{"prompt":{}}',
      '{"messages":[],"cache_salt":7,"max_tokens":"x"}',
    ].filter((body) => body.endsWith("}"))
  ) {
    for (const api of ["chat", "completions", "messages", "responses", null] as const) {
      const { chain, answerTokens } = await promptIn(body, api);
      assert.equal(chain.length, 0, body);
      assert.equal(answerTokens, 0, body);
    }
  }
});

Deno.test("12: another cache_salt, no hash in common", async () => {
  const plain = await promptIn(`{"messages":${messages}}`);
  const salted = await promptIn(`{"cache_salt":"x","messages":${messages}}`);
  assert.notEqual(plain.chain.lanes[0], salted.chain.lanes[0]);
  assert.equal(plain.chain.length, salted.chain.length);
});

Deno.test("29: the most tokens of an answer are read by each API's own name", async () => {
  assert.equal((await promptIn('{"max_tokens":30,"messages":[]}')).answerTokens, 30);
  assert.equal((await promptIn('{"max_completion_tokens":40,"max_tokens":3}')).answerTokens, 40);
  assert.equal((await promptIn('{"max_output_tokens":50}', "responses")).answerTokens, 50);
  assert.equal((await promptIn('{"max_tokens":-1}')).answerTokens, 0);
  for (const said of ['"30"', '"3_0"', '" +30.0 "', "3e1"]) {
    assert.equal((await promptIn(`{"max_tokens":${said}}`)).answerTokens, 30, said);
  }
  // Names that an API does not read say nothing in it.
  const both = '{"max_completion_tokens":40,"max_output_tokens":50,"max_tokens":30}';
  for (const [api, length] of [["completions", 30], ["messages", 30], ["responses", 50]] as const) {
    assert.equal((await promptIn(both, api)).answerTokens, length, api);
  }
  const long = `{"max_tokens":"${" ".repeat(5000)}30"}`;
  assert.equal((await promptIn(long)).answerTokens, Number.MAX_SAFE_INTEGER);
  assert.equal((await promptIn('{"max_tokens":null}')).answerTokens, 0);
});
