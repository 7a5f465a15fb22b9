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
  const said = `Dear ${marks[0]![0]}, <EMAIL_00000000> and ${marks[0]![1]}.`;
  await using echo = await startFleet({
    count: 1,
    simulate: ["--answer", said],
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
