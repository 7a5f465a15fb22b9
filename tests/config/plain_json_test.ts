// The fast reader of config texts: what it reads is what the slow one reads, and it leaves all else to that one.

import assert from "node:assert/strict";
import { evaluate, parse } from "@humanwhocodes/momoa";
import { parseText } from "../../lib/config/parse.ts";
import { plainValue } from "../../lib/config/plain_json.ts";

const DEEP = 50;

Deno.test("comments, last commas and all that strings may hold are read fast", () => {
  const text = `// it's "a" note, with {
    [ /* and, another ] */ {"name": "a // b /* c */ ,] \\" \\\\", "n": -1.5e3, }, // last
      {"__proto__": {"x": [1, 2 /* , */ , /* two */ // three
      ]}, "\\u00e9\\ud800": [null, true, [], {},],},
    ]
    // the end`;
  const value = plainValue(text, DEEP) as Record<string, unknown>[];
  assert.equal(value[0].name, 'a // b /* c */ ,] " \\');
  assert.deepEqual(Object.keys(value[1]), ["__proto__", "\u00e9\ud800"]);
  const expected = [{ name: value[0].name, n: -1500 }, JSON.parse('{"__proto__":{"x":[1,2]}}')];
  expected[1]["\u00e9\ud800"] = [null, true, [], {}];
  assert.deepEqual(value, expected);
});

Deno.test("what is not so plain is left to the reader that knows where it stands", () => {
  const texts = [
    "[,]",
    "{,}",
    "[1,,]",
    "[1,,2]",
    ",",
    "[1,",
    "{a: 1}",
    "{'a': 1}",
    "['http://x', \"y\"]",
    "[0x10]",
    "[+1]",
    "[.5]",
    "[NaN]",
    "[1/**/2]",
    "[1] /* not ended",
    "[1] / 2",
    '["a',
    '["a\\',
    '["a\nb"]',
    "[1\u00a0]",
    "// a\u2028[1]",
    "[1], ",
    '{"a": 1, "a": 1}',
    '{"a": 1, "\\u0061": 2}',
    '[{"b": {"a": 1, "a": 2}}]',
    "[".repeat(60) + "]".repeat(60),
  ];
  for (const text of texts) assert.equal(plainValue(text, DEEP), undefined, text);
});

Deno.test("whatever is made of pieces is read as the slow reader reads it, or by that one", () => {
  const pieces = [
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    '"a"',
    '"//"',
    "1",
    "/* , */",
    "// ]\n",
    " ",
    "'",
    "a",
  ];
  let seed = 7;
  const next = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  let fast = 0;
  for (let round = 0; round < 20_000; round++) {
    const length = 1 + next(9);
    const text = Array.from({ length }, () => pieces[next(pieces.length)]).join("");
    const value = plainValue(text, DEEP);
    if (value === undefined) continue;
    fast++;
    // Throws where it is none.
    assert.deepEqual(value, evaluate(parse(`${text}\n`, { mode: "json5" })), text);
  }
  assert.ok(fast > 300, `${fast} texts`);
});

Deno.test("a text that is read fast has its places all the same", () => {
  const parsed = parseText("keys.jsonc", '// keys\n[\n  { "name": "a" },\n]\n');
  assert.ok(!Array.isArray(parsed));
  assert.deepEqual(parsed.value, [{ name: "a" }]);
  const { line, column } = parsed.at([0, "name"], "value");
  assert.deepEqual([line, column], [3, 13]);
});
