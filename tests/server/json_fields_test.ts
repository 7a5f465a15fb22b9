// Top-level fields found in bytes, against JSON.parse as the judge.

import assert from "node:assert/strict";
import {
  JsonSyntaxError,
  topLevelFields,
  topLevelFieldsInSlices,
} from "../../lib/server/json_fields.ts";

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

Deno.test("wherever a slice ends, the same is found or refused", async () => {
  const texts = [
    `{"model":"m \\\\\\" \\u0041 \\\\","stream":[1,"two",{"x":[true,null]},-3.5e7]}`,
    `{"a":"${"\\\\".repeat(70)}\\"${"b".repeat(70)}\\\\","model":"m","str\\u0065am":[]}`,
    `  {"a" : {} , "b" : [ ] , "model" :\n"m" }  `,
    `{"model":"m","a":"${"x".repeat(90)}`,
    `{"model":"m","a":"${"\\\\".repeat(90)}`,
    `{"model":"m"]`,
    `{"model":"m","key`,
  ];
  const outcome = async (find: () => unknown) => {
    try {
      return await find();
    } catch (error) {
      assert.ok(error instanceof JsonSyntaxError);
      return error.message.replace(/ at byte.*/, "");
    }
  };
  for (const text of texts) {
    const bytes = encoder.encode(text);
    const whole = await outcome(() => topLevelFields(bytes, wanted));
    for (const size of [1, 3, 7, 64, 65]) {
      assert.deepEqual(
        await outcome(() => topLevelFieldsInSlices(bytes, wanted, size)),
        whole,
        `${text} in slices of ${size}`,
      );
    }
  }
});

Deno.test("the elements of a list are counted without building it", () => {
  const items = (list: string) =>
    topLevelFields(encoder.encode(`{"model":${list}}`), wanted).get("model")?.at(-1)?.items;
  assert.equal(items("[]"), 0);
  assert.equal(items('[1, [2, [3]], {"a": [4, 5]}, "6"]'), 4);
  assert.equal(items('"text"'), 0);
});

Deno.test("a wanted key that stands a thousand times is refused", () => {
  assert.throws(() => fields(`{${'"model":"m",'.repeat(1000)}"x":1}`), /more than 100 times/);
});

Deno.test("what one body can hold keeps nobody else waiting", async () => {
  const huge: Record<string, string> = {
    values: `[${"{},".repeat(3_000_000)}{}]`,
    keys: `{${Array.from({ length: 500_000 }, (_, at) => `"key number ${at}":1`).join(",")}}`,
    strings: `[${'"ab",'.repeat(2_000_000)}1]`,
    quotes: `"${'\\"'.repeat(8_000_000)}"`,
    backslashes: `"${"\\\\".repeat(8_000_000)}"`,
    blanks: `${" ".repeat(16_000_000)}1`,
    numbers: `[${"1.5e10,".repeat(1_000_000)}1]`,
    text: `"${"a".repeat(16_000_000)}"`,
  };
  for (const [name, json] of Object.entries(huge)) {
    const bytes = encoder.encode(`{"model":"m","x":${json},"stream":true}`);
    let turns = 0;
    let over = false;
    const found = topLevelFieldsInSlices(bytes, wanted).finally(() => over = true);
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      turns++;
    }
    assert.deepEqual([...(await found).keys()], ["model", "stream"], name);
    assert.ok(turns >= bytes.length / 1_000_000, `${name}: ${turns} turns of the event loop`);
  }
});
