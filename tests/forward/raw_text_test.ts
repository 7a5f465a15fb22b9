// Raw text of a model is read the same however it was cut into pieces.

import assert from "node:assert/strict";
import { readingOf } from "../../lib/forward/resume/reading.ts";
import {
  gathered,
  type RawForm,
  RawReader,
  type Whole,
} from "../../lib/forward/resume/raw_text.ts";

const FORM: RawForm = {
  marks: ["<think>", "</think>"],
  startsThinking: false,
  calls: true,
  hidesSpecial: true,
  trims: false,
};

function read(pieces: readonly string[], form: RawForm): Whole {
  const reader = new RawReader(form);
  const said = pieces.flatMap((piece) => reader.take(piece));
  const whole = gathered([...said, ...reader.end()]);
  assert.ok(!reader.isLost);
  return whole;
}

const TEXTS: Record<string, [raw: string, whole: Whole]> = {
  "a thought, content and a call": [
    '<think>\nIs it { "a": 1 }?</think>\n\nI look.\n<tool_call>\n{"name": "get_weather", "arguments": ' +
    '{"city": "a \\"}] b", "days": [1, {"x": "}"}]}}\n</tool_call><|im_end|>',
    {
      reasoning: '\nIs it { "a": 1 }?',
      content: "\n\nI look.\n",
      calls: [{
        name: "get_weather",
        arguments: '{"city": "a \\"}] b", "days": [1, {"x": "}"}]}',
      }],
    },
  ],
  "two calls, one with blanks and one with nothing in its arguments": [
    '<tool_call>\n{ "name" : "a" , "arguments" :   {"k":"v"} }\n</tool_call>\n' +
    '<tool_call>{"name":"b","arguments":{}}</tool_call>',
    {
      reasoning: "",
      content: "",
      calls: [{ name: "a", arguments: '{"k":"v"}' }, { name: "b", arguments: "{}" }],
    },
  ],
  "arguments that are no object": [
    '<tool_call>{"name": "a", "arguments": "x}"}</tool_call>' +
    '<tool_call>{"name": "b", "arguments": 12 }</tool_call>',
    {
      reasoning: "",
      content: "",
      calls: [{ name: "a", arguments: '"x}"' }, { name: "b", arguments: "12" }],
    },
  ],
  "pipes of a program, which are no special tokens": [
    "<think>so</think>text <| show x |> div\n<|\n1 |> f <| g|> h<|end|>",
    { reasoning: "so", content: "text <| show x |> div\n<|\n1 |> f <| g|> h", calls: [] },
  ],
  "text that only looks like marks": [
    "a <thin b </think c <tool_cal d <| e 5 < 6 <|x",
    { reasoning: "", content: "a <thin b </think c <tool_cal d <| e 5 < 6 <|x", calls: [] },
  ],
};

for (const [name, [raw, whole]] of Object.entries(TEXTS)) {
  Deno.test(`raw text is read the same however it is cut: ${name}`, () => {
    assert.deepEqual(read([raw], FORM), whole);
    assert.deepEqual(read([...raw], FORM), whole, "character by character");
    for (let first = 1; first < raw.length; first++) {
      assert.deepEqual(read([raw.slice(0, first), raw.slice(first)], FORM), whole, `at ${first}`);
      for (let second = first + 1; second < raw.length; second += 7) {
        const pieces = [raw.slice(0, first), raw.slice(first, second), raw.slice(second)];
        assert.deepEqual(read(pieces, FORM), whole, `at ${first} and ${second}`);
      }
    }
  });
}

Deno.test("a thought that the prompt has opened ends at its mark", () => {
  const form = { ...FORM, startsThinking: true };
  const whole = { reasoning: "so\n", content: "yes", calls: [] };
  assert.deepEqual(read(["so\n</think>yes"], form), whole);
  assert.deepEqual(read([..."so\n</think>yes"], form), whole);
});

const READ = { parses: true, tools: false, hides: true, marks: [] };

Deno.test("where nobody reads marks, a mark that is not shown is a special token like others", () => {
  const words = { reasoning: "", content: "one two three", calls: [] };
  const reading = readingOf("one <think>two <|im_end|>three", words, READ);
  assert.ok(reading?.skipsSpecial, "and the server is to leave out what comes");
  assert.deepEqual(reading.rest, []);
});

Deno.test("special tokens that come are shown where those that came were, else as the server's way is", () => {
  const words = (content: string) => ({ reasoning: "", content, calls: [] });
  const skips = (raw: string, content: string, options = READ) =>
    readingOf(raw, words(content), options)?.skipsSpecial;
  assert.equal(skips("a <|im_end|>b", "a <|im_end|>b"), false);
  assert.equal(skips("a <|im_end|>b", "a b"), true);
  assert.equal(skips("a b", "a b"), true);
  assert.equal(skips("a b", "a b", { ...READ, hides: false }), false);
  // A mark may be text.
  assert.equal(skips("a <think> b", "a <think> b"), true);
  // A server that reads calls has its parser see them.
  assert.equal(skips("a b", "a b", { ...READ, tools: true }), false);
});

Deno.test("a special token that came last is hidden where special tokens are", () => {
  const words = { content: "a b", reasoning: "", calls: [] };
  for (const options of [{ ...READ, parses: false }, { ...READ, tools: true }]) {
    const reading = readingOf("a b<|im_end|>", words, options)!;
    assert.deepEqual(reading.rest, [], JSON.stringify(options));
  }
  const shown = readingOf("a b<|im_end|>", words, { ...READ, parses: false, hides: false })!;
  assert.deepEqual(shown.rest, [{ kind: "text", channel: "content", text: "<|im_end|>" }]);
});

Deno.test("special tokens of a text with tools are left out where none has come, too", () => {
  const reading = readingOf("a", { content: "a", reasoning: "", calls: [] }, {
    ...READ,
    tools: true,
  })!;
  const said = [...reading.reader.take(" b<|im_end|>"), ...reading.reader.end()];
  assert.equal(gathered(said).content, " b");
});

Deno.test("special tokens behind a thought that had none so far are left out, as vLLM's parsers do", () => {
  const words = { content: "", reasoning: "one", calls: [] };
  const reading = readingOf("<think>one", words, READ)!;
  assert.equal(reading.skipsSpecial, false);
  const said = [...reading.reader.take(" two<|endoftext|> three"), ...reading.reader.end()];
  assert.equal(gathered(said).reasoning, " two three");
});
