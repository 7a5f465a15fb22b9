// A look at what changed since the event before finds what a look at the whole event finds.

import assert from "node:assert/strict";
import {
  ABORT,
  bodyGaveUp,
  CLOSELY,
  ERROR,
  FINISH,
  inspect,
  MALFORMED,
  PLAIN,
  Scanner,
  SILENT,
} from "../../lib/sse/scan.ts";
import { EventStore } from "../../lib/sse/event_store.ts";
import { Random } from "../fuzz/random.ts";

const encoder = new TextEncoder();

const chunk = (text: string, more = '"finish_reason":null', tail = "") =>
  `data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"${text}"},${more}}]${tail}}\n\n`;

function change(before: string, after: string): { flags: number; whole: number; usual: boolean } {
  const store = new EventStore(1 << 20);
  const first = encoder.encode(before);
  const second = encoder.encode(after);
  store.push(first, 0, first.length);
  store.compare(second, 0, second.length);
  const scanner = new Scanner();
  const usual = scanner.inspect(first, 0, first.length) === PLAIN;
  return {
    flags: scanner.inspectChange(second, 0, second.length, store.prefix, store.suffix),
    whole: inspect(second, 0, second.length),
    usual,
  };
}

Deno.test("a change that makes, ends or fills a key is seen", () => {
  const usual = chunk("a");
  const changed = [
    chunk("a", '"finish_reason":"stop"'),
    chunk("a", '"finish_reason" : "stop"'),
    chunk("a", '"finish_reason":null', ',"usage":{"prompt_tokens":1}'),
    chunk("a", '"finish_reason":null', ',"error":{"message":"m"}'),
    chunk('","role":"assistant'),
    chunk("a", '"finish_reason":"abort"'),
    chunk("").replace('"content":""', '"role":"assistant","content":""'),
    usual.replace("}]}", "}]"),
    "data: [DONE]\n\n",
    ": comment that is longer than forty characters, to be sure\n\n",
  ];
  for (const after of changed) {
    const { flags, whole, usual: first } = change(usual, after);
    assert.ok(first);
    assert.equal(flags, whole, after);
    assert.notEqual(whole, PLAIN, after);
  }
  // The key stood there before, and only its value is new.
  const [before, after] = ['"finish_reason":  nil', '"finish_reason":  "length"'];
  assert.equal(change(chunk("a", before), chunk("a", after)).flags & CLOSELY, CLOSELY);
  assert.equal(
    change(chunk("a", '"finish_reasom":1'), chunk("a", '"finish_reason":1')).flags & CLOSELY,
    CLOSELY,
  );
});

Deno.test("fifty thousand random changes are seen as in the whole event", () => {
  const parts = ['"', "\\", ":", " ", "\t", "{", "}", ",", "null", "n", "\n", "é", "a"]
    .concat('"finish_reason"', '"error"', '"usage"', '"role"', "finish_reason", "usage");
  let seen = 0;
  for (let index = 0; index < 50_000; index++) {
    const random = new Random(7, index);
    const value = () => random.pick(["null", '"stop"', "{}", " null", ':"abort"', "n"]);
    const tail = random.once(3) ? `,${random.pick(parts)}:${value()}` : "";
    const before = chunk(random.pick(parts), `"finish_reason":${value()}`, tail);
    let after = before;
    for (let edits = 1 + random.below(3); edits > 0; edits--) {
      const at = random.below(after.length);
      const cut = random.once(2) ? 0 : random.below(20);
      after = after.slice(0, at) + random.pick(parts) + after.slice(at + cut);
    }
    const { flags, whole, usual } = change(before, after);
    if (!usual) continue;
    seen++;
    assert.equal(flags, whole, `${before}${after}`);
  }
  assert.ok(seen > 10_000, `${seen} of them follow a usual event`);
});

Deno.test("the usual events of each API are told by their keys alone", () => {
  const usual = [
    chunk("a"),
    'data:{"choices":[{"index":0,"text":"a","finish_reason":null}],"usage":null}\n\n',
    'data: {"choices":[{"delta":{"reasoning":"a","content":null},"finish_reason":null}]}\n\n',
    'data: {"choices":[{"delta":{"role":"assistant","reasoning_content":"a","content":""}}]}\n\n',
    'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}\n\n',
    'data: {"choices":[{"delta":{"content":""},"token_ids":[7]}]}\n\n',
    'event: response.output_text.delta\ndata: {"delta":"a","type":"response.output_text.delta"}\n\n',
    'event: content_block_delta\ndata: {"delta":{"type":"text_delta","text":"a"}}\n\n',
    'event:content_block_delta\ndata:{"delta":{"type":"input_json_delta","partial_json":"{"}}\n\n',
  ];
  for (const text of usual.flatMap((text) => [text, text.replaceAll("\n", "\r\n")])) {
    const named = text.startsWith("event") && text.includes("\r");
    assert.equal(inspect(encoder.encode(text), 0, text.length), named ? CLOSELY : PLAIN, text);
  }
});

Deno.test("an event whose text is gone is looked at again", () => {
  const before = chunk("a");
  for (const text of ['""', "null", "[]", "{}"]) {
    const { flags, usual } = change(before, before.replace('"a"', text));
    assert.ok(usual);
    assert.equal(flags, CLOSELY | SILENT, text);
  }
  const named = 'event: content_block_delta\ndata: {"delta":{"type":"text_delta","text":"a"}}\n\n';
  assert.equal(change(named, named.replace('"a"', '"b"')).flags, PLAIN);
  assert.equal(change(named, named.replace('"a"', '""')).flags, CLOSELY | SILENT);
  assert.equal(
    change(named, named.replace('"a"', '"b"},"error":{"message":"m"')).flags & ERROR,
    ERROR,
  );
});

Deno.test("a line that stands beside the usual one is read", () => {
  const lines = ["id: 1\n", ": note\n", 'data: ,{"a":1}\n', "event: error\n", "\r"];
  for (const line of lines) {
    const after = chunk("a").replace(/\n$/, `${line}\n`);
    assert.equal(inspect(encoder.encode(after), 0, after.length) & CLOSELY, CLOSELY, line);
    assert.equal(change(chunk("a"), after).flags & CLOSELY, CLOSELY, line);
  }
});

Deno.test("a large event means what a small one means", () => {
  const text = "x".repeat(300_000);
  const flagsOf = (event: string) => inspect(encoder.encode(event), 0, event.length) & ~CLOSELY;
  assert.equal(flagsOf(chunk(text)), PLAIN);
  assert.equal(flagsOf(chunk(text, '"finish_reason":"stop"')), FINISH);
  assert.equal(flagsOf(chunk(text, '"finish_reason":""')), PLAIN);
  assert.equal(flagsOf(`: note\n${chunk(text, '"finish_reason":"abort"')}`), ABORT);
  assert.equal(
    flagsOf(chunk("a", '"finish_reason":null', `,"error":{"message":"${text}"}`)),
    ERROR,
  );
  assert.equal(
    flagsOf(`data: {"type":"response.completed","response":{"a":"${text}"}}\n\n`),
    FINISH,
  );
  assert.equal(flagsOf(`data: {"choices":[{"delta":{"content":"${text}\n\n`), MALFORMED);
});

Deno.test("a whole body in which the instance gave up is told from an answer", () => {
  const gaveUp = (body: object) => bodyGaveUp(encoder.encode(JSON.stringify(body)));
  const text = [{ type: "text", text: "a" }];
  const message = { type: "message", content: text, stop_reason: "end_turn" };
  const item = { type: "message", id: "m", status: "completed", content: text };
  const response = { object: "response", status: "completed", output: [item] };
  const none = { output_tokens: 0 };
  for (
    const body of [
      { choices: [{ finish_reason: "stop" }, { finish_reason: "abort" }] },
      { ...message, stop_reason: null },
      { type: "message", content: text },
      { ...message, stop_reason: "abort" },
      { ...message, content: [], usage: none },
      { ...response, output: [] },
      {
        ...response,
        output: [{ ...item, content: [{ type: "output_text", text: "" }] }],
        usage: none,
      },
      { ...response, status: "cancelled" },
    ]
  ) assert.ok(gaveUp(body), JSON.stringify(body));
  for (
    const body of [
      { choices: [{ finish_reason: "stop" }], choices_of: "abort" },
      message,
      { ...message, usage: none },
      { ...message, content: [], usage: { output_tokens: 1 } },
      response,
      { ...response, usage: none },
      { ...response, output: [{ type: "function_call", name: "f", arguments: "" }], usage: none },
      { ...response, status: "incomplete", output: [] },
      { ...response, status: "queued", output: [] },
      { input_tokens: 7 },
    ]
  ) assert.ok(!gaveUp(body), JSON.stringify(body));
});
