// Requests and answers in odd forms, as bytes: whatever an instance has taken and said, a record is one
// line of the usual shape, and loses no word of what was said.

import assert from "node:assert/strict";
import { type Api, dialectOf } from "../../lib/api/dialects.ts";
import { exportRecords } from "../../lib/cli/export.ts";
import { recordLine } from "../../lib/record/json_text.ts";
import { recordsOf } from "../../lib/record/record.ts";
import { assemble } from "../../lib/sse/assemble/assemble.ts";
import { temporaryFolder } from "../support/processes.ts";
import { bytesOf, capture, completion } from "./samples.ts";

const BIG = "123456789012345678901234567890";
const TOOLS = '[{"type":"function","function":{"name":"f","parameters":{"x":[null,1.0e400]}}}]';
const ask = (messages: string, more = "") => `{"model":"m","messages":[${messages}]${more}}`;
const said = (content: string) => `{"role":"user","content":${content}}`;

/** Bodies of /v1/chat/completions. */
const REQUESTS: Readonly<Record<string, string>> = {
  "half a surrogate": ask(said('"a \\udcad b \\ud83c"')),
  "NUL and controls": ask(said('"a\\u0000b\\u0001\\u001b[31m"')),
  "line ends of Unicode": ask(said('"a\\u2028b\\u2029c\\u0085d"')),
  "the same as they are": ask(said('"a\u2028b\u2029c\u0085d\ufeff"')),
  "numbers beyond a double": ask(said('"a"'), `,"seed":${BIG},"temperature":1e400,"n":1`),
  "numbers of Python": ask(said('"a"'), ',"temperature":NaN,"top_p":Infinity,"top_k":-Infinity'),
  "an empty list of tools": ask(said('"a"'), ',"tools":[]'),
  "null for tools": ask(said('"a"'), ',"tools":null,"stop":null,"user":null'),
  "tools that are none": ask(said('"a"'), ',"tools":{"a":1}'),
  "tools with odd numbers": ask(said('"a"'), `,"tools":${TOOLS}`),
  "no content": ask('{"role":"user"}'),
  "null content": ask(said("null")),
  "content that is a number": ask(said(BIG)),
  "content that is an object": ask(said('{"text":"a"}')),
  "parts of every kind": ask(said(
    '[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}},' +
      '{"type":"image_url","image_url":"https://x/a.png"},{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}},' +
      '{"type":"audio_url","audio_url":{"url":"https://x/a.wav"}},{"type":"video_url","video_url":{"url":"https://x/a.mp4"}},' +
      '{"type":"file","file":{"file_id":"f"}},{"type":"refusal","refusal":"no"},{"type":"new","new":1},"plain",null,7]',
  )),
  "an unknown role": ask('{"role":"critic","content":"hm"},' + said('"a"')),
  "a role that is none": ask('{"role":7,"content":"hm"},{"content":"x"},null,"a",' + said('"b"')),
  "keys that stand twice": '{"model":"x","messages":[],"model":"m","messages":[' +
    '{"role":"system","role":"user","content":"lost","content":"kept"}]}',
  "a key of every object": ask(
    '{"role":"user","content":"a","__proto__":{"x":1},"constructor":"c","toString":null}',
    ',"__proto__":{"polluted":true}',
  ),
  "a tool's answer without a call": ask(
    said('"a"') + ',{"role":"tool","content":[{"type":"text","text":"42"}]},' + said('"b"'),
  ),
  "calls with arguments of any form": ask(
    said('"a"') +
      ',{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"x":1}}},' +
      '{"function":{"name":"g","arguments":"{"}},{"function":{}},{},null]},' +
      '{"role":"tool","tool_call_id":"1","content":"r"},' + said('"b"'),
  ),
  "a deep content": ask(said(`${"[".repeat(200)}${"]".repeat(200)}`)),
  "a thousand turns": ask(Array.from({ length: 1000 }, (_, at) => said(`"${at}"`)).join()),
};

const usual = JSON.stringify(completion({ content: "fine" }));
const choice = (message: string, more = "") =>
  `{"id":"c","created":1,"choices":[{"index":0,"message":${message},"finish_reason":"stop"}]${more}}`;
const ANSWERS: Readonly<Record<string, string>> = {
  "an id that is a number": choice('{"content":"fine"}', `,"id":${BIG},"created":"today"`),
  "content in parts": choice('{"content":[{"type":"text","text":"fine"}]}'),
  "half a surrogate in each place": choice(
    '{"content":"fine \\ud800","reasoning_content":"\\udfff","tool_calls":[]}',
  ),
  "thought that is null": choice('{"content":"fine","reasoning":null,"reasoning_content":null}'),
  "usage that is none": choice('{"content":"fine"}', ',"usage":{"prompt_tokens":"x","a":NaN}'),
  "sound": choice('{"content":null,"audio":{"id":"a","data":"AA==","transcript":"fine"}}'),
  "marks of a template": choice('{"content":"fine <image> <|im_end|> </think> <audio>"}'),
};

function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shapeOf(one)]));
}

function lineOf(request: string, answer: string, api: Api = "chat"): string {
  const made = capture({}, null, { api });
  made.requestBody = bytesOf(request);
  made.response = bytesOf(answer);
  const { lines } = recordsOf(
    made,
    assemble(dialectOf(api).assembler(), made.response),
    "sharegpt",
  );
  assert.equal(lines.length, 1);
  return recordLine(lines[0]);
}

const plain = lineOf(ask(said('"a"')), usual);
const SHAPE = shapeOf(JSON.parse(plain));

function check(line: string, name: string): { conversations: { from: string; value: string }[] } {
  assert.equal(line.indexOf("\n"), line.length - 1, `${name}: one line`);
  assert.doesNotMatch(line, /[\u0085\u2028\u2029]/, name);
  assert.ok(line.isWellFormed() && !/\\ud[89a-f]/i.test(line.replaceAll("\\\\", "")), name);
  const record = JSON.parse(line);
  const shape = shapeOf(record);
  if (record.conversations.length === 0) (shape as Record<string, unknown>).conversations = [];
  const expected = record.conversations.length === 0
    ? { ...(SHAPE as object), conversations: [] }
    : SHAPE;
  assert.deepEqual(shape, expected, name);
  for (const { from, value } of record.conversations) {
    assert.match(from, /^(system|human|gpt|function_call|observation)$/, name);
    assert.equal(typeof value, "string", name);
  }
  assert.equal(typeof JSON.parse(record.meta), "object", name);
  if (record.tools !== "") JSON.parse(record.tools);
  return record;
}

Deno.test("odd requests become lines of the usual shape, and the answer stands in each", () => {
  for (const [name, request] of Object.entries(REQUESTS)) {
    const { conversations } = check(lineOf(request, usual), name);
    assert.equal(conversations.at(-1)?.value, "fine", name);
  }
  assert.equal((Object.prototype as { polluted?: boolean }).polluted, undefined);
});

Deno.test("odd answers become lines of the usual shape, and lose no word", () => {
  for (const [name, answer] of Object.entries(ANSWERS)) {
    const line = lineOf(ask(said('"a"')), answer);
    const { conversations } = check(line, name);
    assert.match(conversations.at(-1)?.value ?? "", /fine/, name);
  }
});

Deno.test("of a key that stands twice the last counts, as it did for the instance", () => {
  const { conversations } = check(lineOf(REQUESTS["keys that stand twice"], usual), "twice");
  assert.deepEqual(conversations[0], { from: "human", value: "kept" });
});

Deno.test("every export takes odd records, and what it writes can be read", async () => {
  await using folder = await temporaryFolder();
  const data = `${folder.path}/data`;
  await Deno.mkdir(`${data}/requests_responses`, { recursive: true });
  const lines = [
    ...Object.values(REQUESTS).map((request) => lineOf(request, usual)),
    ...Object.values(ANSWERS).map((answer) => lineOf(ask(said('"a"')), answer)),
  ];
  await Deno.writeTextFile(`${data}/requests_responses/20260101_00.jsonl`, lines.join(""));
  for (const form of ["sharegpt", "openai", "alpaca", "parquet"]) {
    const path = `${folder.path}/${form}`;
    assert.equal(await exportRecords.run(["--to", form, "--data-dir", data, "--output", path]), 0);
    if (form === "parquet") {
      assert.equal(new TextDecoder().decode((await Deno.readFile(path)).subarray(-4)), "PAR1");
      continue;
    }
    const text = await Deno.readTextFile(path);
    const rows = form === "openai"
      ? text.trim().split("\n").map((line) => JSON.parse(line))
      : JSON.parse(text);
    assert.ok(rows.length >= lines.length * 0.7, `${form}: ${rows.length} of ${lines.length}`);
    assert.ok(text.isWellFormed() && !/\\ud[89a-f]/i.test(text.replaceAll("\\\\", "")), form);
    const keys = new Set(rows.map((row: object) => Object.keys(row).join()));
    assert.equal(keys.size, 1, `${form}: ${[...keys].join(" / ")}`);
  }
  const keep = Deno.env.get("KEEP_ODD_RECORDS");
  if (keep !== undefined) {
    for (const form of ["sharegpt", "openai", "alpaca", "parquet"]) {
      await Deno.copyFile(`${folder.path}/${form}`, `${keep}/${form}`);
    }
    await Deno.copyFile(`${data}/requests_responses/20260101_00.jsonl`, `${keep}/records.jsonl`);
  }
});
