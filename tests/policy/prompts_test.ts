// Filters on prompts, from outside: what the instance gets, what the client is told, what comes back.

import assert from "node:assert/strict";
import { startFleet } from "../faults/fleet.ts";
import { chatText, readSse } from "../support/sse.ts";

const ID = "11010519491231002X";
const MAIL = "jane.doe@example.com";
const PERSONAL = {
  name: "personal",
  type: "pii",
  on: "prompt",
  find: ["cn_id_card", "email"],
  action: "replace",
  restore: true,
};
const said = (content: unknown) => ({ messages: [{ role: "user", content }] });
const WORDS = { name: "words", type: "words", words: ["forbidden fruit"], on: "prompt" };

Deno.test("31-34: a prompt with a forbidden word is refused in every place that it can stand in", async () => {
  await using fleet = await startFleet({
    count: 1,
    config: { policies: [{ ...WORDS, action: "reject" }] },
  });
  const text = "some ｆorbidden\u200b Fruit";
  const bodies: [string, Record<string, unknown>][] = [
    ["/v1/chat/completions", { messages: [{ role: "user", content: text }] }],
    ["/v1/chat/completions", { messages: [{ role: "user", content: [{ type: "text", text }] }] }],
    ["/v1/chat/completions", {
      messages: [{
        role: "user",
        content: [{ type: "text", text: "forbidden" }, { type: "text", text: "fruit" }],
      }],
    }],
    ["/v1/chat/completions", { messages: [{ role: "tool", content: text, tool_call_id: "1" }] }],
    ["/v1/completions", { prompt: text }],
    ["/v1/completions", { prompt: ["well", text] }],
    ["/v1/completions", { prompt: [1, 2, 3] }],
    ["/v1/responses", { input: text }],
    ["/v1/responses", { input: "hi", instructions: text }],
    ["/v1/responses", { input: [{ type: "function_call_output", call_id: "1", output: text }] }],
    ["/v1/messages", { messages: [{ role: "user", content: text }], max_tokens: 5 }],
    ["/v1/messages", {
      messages: [{ role: "user", content: [{ type: "tool_result", content: text }] }],
      max_tokens: 5,
    }],
    ["/v1/chat/completions", { messages: [{ role: "user", content: "a" }], chat_template: "x" }],
  ];
  for (const [path, body] of bodies) {
    const response = await fleet.gateway.post(path, { model: "demo", ...body });
    const answer = await response.text();
    assert.equal(response.status, 400, `${path} ${JSON.stringify(body)} ${answer}`);
    assert.match(answer, /policy|`words`/i);
    assert.ok(!answer.toLowerCase().includes("fruit"), "60: never the word");
  }
  const twice = `{"model":"demo","messages":[{"role":"user","content":"${text}"}],"messages":[]}`;
  const response = await fetch(`${fleet.gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: twice,
  });
  assert.equal(response.status, 400, "33: a field that comes twice");
  await response.body?.cancel();
  assert.deepEqual(await fleet.counts(), [0], "nothing was sent");
});

Deno.test("32: what changes the prompt behind a filter's back is refused or looked into, field by field", async () => {
  const named = (channels: string[]) => ({ ...WORDS, action: "reject", channels });
  await using fleet = await startFleet({
    count: 1,
    config: {
      policies: [{ ...WORDS, action: "reject" }, {
        ...named(["tool_definitions"]),
        name: "definitions",
      }],
    },
  });
  const text = "some forbidden fruit";
  const hi = { role: "user", content: "hi" };
  const image = { url: "data:image/png;base64,AAAA" };
  const source = { type: "base64", media_type: "application/pdf", data: "AAAA" };
  const tool = (more: object) => ({ type: "function", function: { name: "f", ...more } });
  const call = (more: object) => ({
    role: "assistant",
    tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}", ...more } }],
  });
  const cases: Readonly<Record<string, Readonly<Record<string, object>>>> = {
    "/v1/chat/completions": {
      "a template of one's own": { messages: [hi], chat_template: "{{ messages }}" },
      "arguments of the template": { messages: [hi], chat_template_kwargs: { style: text } },
      "documents": { messages: [hi], documents: [{ title: "t", text }] },
      "a beginning of the answer": {
        messages: [hi, { role: "assistant", content: text }],
        continue_final_message: true,
        add_generation_prompt: false,
      },
      "arguments of the processor": { messages: [hi], mm_processor_kwargs: { words: text } },
      "embeddings": { messages: [hi], prompt_embeds: "AAAA" },
      "a tool's words": { messages: [hi], tools: [tool({ description: text })] },
      "a tool's fields": {
        messages: [hi],
        tools: [tool({ parameters: { properties: { "forbidden fruit": { type: "string" } } } })],
      },
      "old functions": { messages: [hi], functions: [{ name: "f", description: text }] },
      "arguments of a call": { messages: [hi, call({ arguments: JSON.stringify({ text }) })] },
      "arguments of a call with escapes": {
        messages: [hi, call({ arguments: '{"a":"\\u0066orbidden fruit"}' })],
      },
      "the name of a call": { messages: [hi, call({ name: "forbidden fruit" })] },
      "an old call": {
        messages: [hi, { role: "assistant", function_call: { name: "f", arguments: text } }],
      },
      "a result": { messages: [hi, { role: "tool", tool_call_id: "1", content: text }] },
      "thought that is given back": {
        messages: [hi, { role: "assistant", content: "a", reasoning_content: text }],
      },
      "a name": { messages: [{ ...hi, name: "forbidden fruit" }] },
      "a member that nobody knows": { messages: [{ ...hi, notes: { more: [text] } }] },
      "nested parts": said([{ type: "tool_result", content: [{ type: "text", text }] }]),
      "a part in place of a list": said({ type: "text", text }),
      "a picture": said([{ type: "image_url", image_url: image }]),
      "a picture that says that it is none": said([
        { type: "image_url", image_url: image, text: "hi" },
      ]),
      "a picture without a type": said([{ image_url: image, text: "hi" }]),
      "sound": said([{ type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }]),
      "a part of an unknown type": said([{ type: "novelty", content: "?" }]),
    },
    "/v1/completions": {
      "what comes behind": { prompt: "hi", suffix: text },
      "one of several": { prompt: ["hi", text] },
      "token ids": { prompt: [1, 2, 3] },
      "token ids among texts": { prompt: ["hi", [1, 2]] },
      "embeddings": { prompt: "hi", prompt_embeds: "AAAA" },
    },
    "/v1/responses": {
      "instructions": { input: "hi", instructions: text },
      "a list of items": { input: [{ type: "message", role: "user", content: text }] },
      "parts of an item": {
        input: [{ role: "user", content: [{ type: "input_text", text }] }],
      },
      "the output of a function": {
        input: [{ type: "function_call_output", call_id: "1", output: text }],
      },
      "parts of such an output": {
        input: [{
          type: "function_call_output",
          call_id: "1",
          output: [{ type: "input_text", text }],
        }],
      },
      "arguments of a call": {
        input: [{ type: "function_call", call_id: "1", name: "f", arguments: `"${text}"` }],
      },
      "an earlier thought": {
        input: [{ type: "reasoning", summary: [{ type: "summary_text", text }] }],
      },
      "the words of a thought": {
        input: [{ type: "reasoning", summary: [], content: [{ type: "reasoning_text", text }] }],
      },
      "an item of another kind": { input: [{ type: "mcp_call", id: "1", output: text }] },
      "an item that stands elsewhere": { input: [{ type: "item_reference", id: "1" }] },
      "a file": { input: [{ role: "user", content: [{ type: "input_file", file_id: "1" }] }] },
      "a prompt that the server keeps": { input: "hi", prompt: { id: "pmpt_1" } },
      "a tool's words": {
        input: "hi",
        tools: [{ type: "function", name: "f", description: text }],
      },
    },
    "/v1/messages": {
      "the system's words": { system: text, messages: [hi] },
      "their parts": { system: [{ type: "text", text }], messages: [hi] },
      "a result": said([{ type: "tool_result", tool_use_id: "1", content: text }]),
      "parts of a result": said([
        { type: "tool_result", tool_use_id: "1", content: [{ type: "text", text }] },
      ]),
      "arguments of a call": {
        messages: [hi, {
          role: "assistant",
          content: [{ type: "tool_use", id: "1", name: "f", input: { a: [text] } }],
        }],
      },
      "names in arguments": {
        messages: [hi, {
          role: "assistant",
          content: [{ type: "tool_use", id: "1", name: "f", input: { "forbidden fruit": 1 } }],
        }],
      },
      "thought": {
        messages: [hi, {
          role: "assistant",
          content: [{ type: "thinking", thinking: text, signature: "s" }],
        }],
      },
      "a document": said([{ type: "document", source: { type: "text", data: text } }]),
      "a document that is a file": said([{ type: "document", source }]),
      "a beginning of the answer": { messages: [hi, { role: "assistant", content: text }] },
      "a tool's words": {
        messages: [hi],
        tools: [{ name: "f", description: text, input_schema: { type: "object" } }],
      },
    },
  };
  for (const [path, bodies] of Object.entries(cases)) {
    for (const [what, body] of Object.entries(bodies)) {
      const response = await fleet.gateway.post(path, { model: "demo", max_tokens: 5, ...body });
      const answer = await response.text();
      assert.equal(response.status, 400, `${path}: ${what}: ${answer}`);
      assert.match(answer, /`(words|definitions)`/, `${path}: ${what}`);
    }
  }
  assert.deepEqual(await fleet.counts(), [0], "nothing was sent");
  // The same with nothing in it passes.
  const tools = [tool({ description: "d", parameters: { type: "object" } })];
  const rest = [call({}), { role: "tool", tool_call_id: "1", content: "r" }];
  const plain = await fleet.chat({ messages: [hi, ...rest, hi], tools, documents: [], seed: 1 });
  assert.equal(plain.status, 200, await plain.text());
});

Deno.test("34: what stands over two parts is counted in audit, and nothing else happens", async () => {
  await using fleet = await startFleet({
    count: 1,
    config: { policies: [{ ...WORDS, action: "reject", mode: "audit" }] },
  });
  const content = ["forbidden", "fruit"].map((text) => ({ type: "text", text }));
  const response = await fleet.chat({ messages: [{ role: "user", content }] });
  assert.equal(response.status, 200, await response.text());
  const { complete: [record] } = await fleet.records(1, 0);
  const { policies } = record.meta as { policies: Record<string, unknown>[] };
  assert.deepEqual(
    policies.map((
      { name, mode, action, count }: Record<string, unknown>,
    ) => [name, mode, action, count]),
    [["words", "audit", "reject", 1]],
  );
});

Deno.test("31: what a guard cannot be shown is refused, whatever it calls itself", async () => {
  await using fleet = await startFleet({
    count: 1,
    // Nobody is there: a prompt that it can be shown passes.
    config: {
      policies: [{
        name: "g",
        type: "webhook",
        url: "http://127.0.0.1:9/",
        on: "prompt",
        fail: "open",
      }],
    },
  });
  const image = { url: "data:image/png;base64,AAAA" };
  const source = { type: "base64", media_type: "application/pdf", data: "AAAA" };
  const text = { type: "text", text: "hi" };
  const cases: [string, number, object][] = [
    ["/v1/chat/completions", 200, said([text])],
    ["/v1/chat/completions", 400, said([text, { type: "image_url", image_url: image }])],
    ["/v1/chat/completions", 400, said([text, { image_url: image, text: "hi" }])],
    ["/v1/messages", 400, said([text, { type: "document", source }])],
    ["/v1/responses", 400, { input: [{ type: "item_reference", id: "1" }] }],
    ["/v1/completions", 400, { prompt: [1, 2, 3] }],
  ];
  for (const [path, status, body] of cases) {
    const response = await fleet.gateway.post(path, { model: "demo", max_tokens: 5, ...body });
    assert.equal(response.status, status, `${path} ${JSON.stringify(body)}`);
    assert.equal(/`g`/.test(await response.text()), status === 400);
  }
});

Deno.test("40: personal data goes out as placeholders, always the same, and comes back", async () => {
  await using fleet = await startFleet({
    count: 1,
    config: { policies: [PERSONAL] },
  });
  const ask = { messages: [{ role: "user", content: `I am ${ID}, write to ${MAIL}` }] };
  for (let i = 0; i < 2; i++) await (await fleet.chat(ask)).body?.cancel();
  const asked = await fleet.asked(0);
  const sent = asked.map(({ body }) => JSON.stringify(body));
  assert.ok(sent.every((one) => !one.includes(ID) && !one.includes(MAIL)));
  const marks = sent.map((one) => one.match(/<(CN_ID_CARD|EMAIL)_[0-9a-f]{8}>/g));
  assert.equal(marks[0]?.length, 2);
  assert.deepEqual(marks[0], marks[1]);
  // An instance that says them again, letter by letter.
  const letter = `Dear ${marks[0]![0]}, <EMAIL_00000000> and ${marks[0]![1]}.`;
  await using echo = await startFleet({
    count: 1,
    simulate: ["--answer", letter],
    config: { policies: [PERSONAL] },
  });
  const expected = `Dear ${ID}, <EMAIL_00000000> and ${MAIL}.`;
  const streamed = await readSse(await echo.chat({ ...ask, stream: true, max_tokens: 200 }));
  assert.equal(chatText(streamed).content, expected);
  const whole = await (await echo.chat({ ...ask, max_tokens: 200 })).json();
  assert.equal(whole.choices[0].message.content, expected);
  const { complete } = await echo.records(2, 0);
  for (const record of complete) {
    assert.ok(!JSON.stringify(record).includes(MAIL), "records have the placeholders");
  }
});
