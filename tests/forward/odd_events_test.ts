// What no answer is made of, in the middle of one that goes on elsewhere: it ends neither the answer nor
// the request.

import assert from "node:assert/strict";
import type { Api } from "../../lib/api/api.ts";
import { MendStage } from "../../lib/forward/resume/mend.ts";
import type { ResumeWay } from "../../lib/api/dialect.ts";
import { RawReader } from "../../lib/forward/resume/raw_text.ts";
import { readingOf } from "../../lib/forward/resume/reading.ts";
import { firstAnswer } from "./first_answer.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const ODD = [
  "data: null\n\n",
  "data: []\n\n",
  "data: 0\n\n",
  "event: note\ndata: 50 %\n\n",
  'event: note\ndata: "half"\n\n',
];

const data = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
const START = data({ type: "content_block_start", index: 0, content_block: { type: "text" } });
const piece = (api: Api, text: string) => {
  const delta = { type: "text_delta", text };
  if (api === "messages") return data({ type: "content_block_delta", index: 0, delta });
  if (api === "responses") {
    return data({ type: "response.output_text.delta", output_index: 0, delta: text });
  }
  return data({ id: "c", choices: [{ index: 0, delta: { content: text }, finish_reason: null }] });
};

function stageFor(way: ResumeWay, api: Api): MendStage {
  const sent = [...ODD, ...(api === "messages" ? [START] : []), piece(api, "Hello")];
  return new MendStage(way, api, {}, {
    answer: firstAnswer("Hello"),
    tokens: 1,
    events: () => sent.map((event) => encoder.encode(event)),
    ids: null,
  });
}

const WAYS: readonly (readonly [ResumeWay, Api])[] = [
  ["continue", "chat"],
  ["replay", "chat"],
  ["replay", "messages"],
  ["replay", "responses"],
];

for (const [way, api] of WAYS) {
  Deno.test(`${api}, ${way}: events that are no part of an answer are left out`, () => {
    const stage = stageFor(way, api);
    const again = api === "messages" ? [START, piece(api, "Hello")] : [piece(api, "Hello")];
    const rest = way === "continue" ? [] : again;
    let passed = "";
    for (const event of [...ODD, ...rest, ...ODD, piece(api, " world, as it is"), ...ODD]) {
      const mended = stage.take(encoder.encode(event));
      assert.ok(mended !== null, event);
      passed += decoder.decode(mended);
    }
    assert.ok(passed.includes(" world, as it is"));
    assert.ok(!/null\n|50 %|half/.test(passed), passed);
  });
}

Deno.test("a call whose name is no JSON string cannot be read, which is no error", () => {
  for (const name of ["a\\qb", "a\nb", "\\u12", "\t"]) {
    const raw = `Well. <tool_call>{"name": "${name}", "arguments": {`;
    const form = { marks: null, startsThinking: false, calls: true, hidesSpecial: false };
    const reader = new RawReader({ ...form, trims: false });
    reader.take(raw);
    assert.ok(reader.isLost, name);
    const words = { content: "Well. ", reasoning: "", calls: [] };
    const reading = readingOf(raw, words, {
      parses: true,
      tools: true,
      hides: true,
      marks: [],
    });
    assert.ok(reading === null, name);
  }
});
