// Top-level fields found in bytes, against JSON.parse as the judge.

import assert from "node:assert/strict";
import { JsonSyntaxError, topLevelFields } from "../../lib/server/json_fields.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const wanted = new Set(["model", "stream"]);

function fields(text: string): Record<string, string[]> {
  const bytes = encoder.encode(text);
  return Object.fromEntries(
    [...topLevelFields(bytes, wanted)].map(([name, spans]) => [
      name,
      spans.map(({ start, end }) => decoder.decode(bytes.subarray(start, end))),
    ]),
  );
}

Deno.test("values are found as they were written, wherever they stand", () => {
  assert.deepEqual(fields(`{"model":"m"}`), { model: ['"m"'] });
  assert.deepEqual(fields(` {\n"a" : [1,{"model":"inner"}], "model" : "m" ,"stream":true } \n`), {
    model: ['"m"'],
    stream: ["true"],
  });
  assert.deepEqual(fields(`{"model":"a","model":"b"}`), { model: ['"a"', '"b"'] });
  assert.deepEqual(fields(`{"mo\\u0064el":"m"}`), { model: ['"m"'] });
  assert.deepEqual(fields(`{"stream":{"x":[]},"seed":12345678901234567890}`), {
    stream: ['{"x":[]}'],
  });
  assert.deepEqual(fields("{}"), {});
});

Deno.test("text that looks like JSON inside a string deceives nobody", () => {
  const prompt = JSON.stringify('"},"model":"evil",{"stream":true \\" \\\\');
  assert.deepEqual(fields(`{"prompt":${prompt},"model":"good"}`), { model: ['"good"'] });
  assert.deepEqual(fields(`{"p":"\\\\","model":"m"}`), { model: ['"m"'] });
});

Deno.test("what is not one whole JSON object is refused with the byte at fault", () => {
  for (
    const text of [
      "",
      " ",
      "[]",
      '"x"',
      "null",
      "{",
      '{"a"',
      '{"a":',
      '{"a":1',
      '{"a":1,',
      '{"a":1,}',
      '{"a":1}}',
      '{"a":1} x',
      "{a:1}",
      "{'a':1}",
      '{"a":tru}',
      '{"a":01}',
      '{"a":+1}',
      '{"a":1.}',
      '{"a":"x}',
      '{"a":[1,]}',
      '{"a":[1}',
      '{"a":{"b":1]}',
      '{"a":{"b"}}',
      '{"a" "b"}',
      "\u0000{}",
      "\ufeff{}",
    ]
  ) assert.throws(() => fields(text), JsonSyntaxError, text);
  assert.throws(() => fields(`{"a":${"[".repeat(100_000)}`), /nested deeper/);
});

Deno.test("random objects are read as JSON.parse reads them", () => {
  let seed = 42;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % below;
  };
  const make = (depth: number): unknown => {
    switch (random(depth > 3 ? 5 : 7)) {
      case 0:
        return random(1000) / 7;
      case 1:
        return null;
      case 2:
        return random(2) === 0;
      case 3:
        return 'quote " backslash \\ brace } model'.slice(0, random(35));
      case 4:
        return "\u4f60\ud83d\ude00\n".slice(0, random(5));
      case 5:
        return Array.from({ length: random(4) }, () => make(depth + 1));
      default:
        return Object.fromEntries(
          Array.from({ length: random(4) }, () => [
            ["model", "stream", "a", '"', "\\"][random(5)],
            make(depth + 1),
          ]),
        );
    }
  };
  for (let i = 0; i < 5000; i++) {
    const value = Object.fromEntries([["x", make(0)], ["model", make(0)], ["y", make(0)]]);
    const text = JSON.stringify(value, null, random(3));
    const [found] = fields(text).model;
    assert.deepEqual(JSON.parse(found), value.model ?? null, text);
    // A cut object is never a whole one.
    assert.throws(() => fields(text.slice(0, random(text.length))), JsonSyntaxError);
  }
});
