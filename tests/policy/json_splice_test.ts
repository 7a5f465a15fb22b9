// Tests how values are changed in the bytes of a JSON text.

import assert from "node:assert/strict";
import {
  repeatedKey,
  withElements,
  withMembers,
  withValues,
} from "../../lib/policy/prompt/json_splice.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (of: Uint8Array) => new TextDecoder().decode(of);

Deno.test("39: a value that is replaced leaves every other byte as it came", () => {
  const body =
    `{ "seed" : 12345678901234567890, "n":1.50 ,"m\\u0061x":"\\u4e2d", "o":{"a":[1, 2]} }`;
  const changed = withMembers(bytes(body), [], new Map([["max", "7"]]));
  assert.equal(text(changed), body.replace('"\\u4e2d"', "7"));
  assert.equal(
    text(withValues(bytes(body), [{ path: ["o", "a", 1], json: "3" }])),
    body.replace("2]", "3]"),
  );
});

Deno.test("a member that is new comes last, in an empty object too", () => {
  assert.equal(
    text(withMembers(bytes(`{"a":1 }`), [], new Map([["b", "[2]"]]))),
    `{"a":1,"b":[2] }`,
  );
  assert.equal(text(withMembers(bytes(`{ }`), [], new Map([["b", "2"]]))), `{"b":2 }`);
  const inner = withMembers(bytes(`{"o":{},"z":0}`), ["o"], new Map([["b", "2"], ["c", "3"]]));
  assert.equal(text(inner), `{"o":{"b":2,"c":3},"z":0}`);
});

Deno.test("a member is taken out wherever it stands, and as often", () => {
  const gone = new Map([["x", null]]);
  for (
    const [before, after] of [
      [`{"x":1}`, `{}`],
      [`{"x":1,"a":2}`, `{"a":2}`],
      [`{"a":2, "x":{"x":[","]}}`, `{"a":2}`],
      [`{"a":"}","x":1,"b":3,"\\u0078":"\\""}`, `{"a":"}","b":3}`],
      [`{"a":1}`, `{"a":1}`],
    ]
  ) assert.equal(text(withMembers(bytes(before), [], gone)), after);
});

Deno.test("33: a key that stands twice is found, in escapes too, and both are set", () => {
  const body = bytes(`{"messages":[],"m\\u0065ssages":[1],"o":{"a":1,"a":2}}`);
  assert.equal(repeatedKey(body), "messages");
  assert.equal(repeatedKey(bytes(`{"a":1,"o":{"a":1,"a":2}}`)), null);
  const set = withMembers(body, [], new Map([["messages", "0"]]));
  assert.equal(text(set), `{"messages":0,"m\\u0065ssages":0,"o":{"a":1,"a":2}}`);
});

Deno.test("elements are taken out and put in at any place", () => {
  const body = bytes(`{"l": [ {"a":1} , "," , [2] ] }`);
  const changed = withElements(body, ["l"], {
    removed: new Set([1]),
    inserted: [{ before: 0, json: "0" }, { before: 3, json: "9" }],
  });
  assert.equal(text(changed), `{"l": [0,{"a":1},[2],9] }`);
  assert.equal(
    text(withElements(bytes("[]"), [], { inserted: [{ before: 0, json: "1" }] })),
    "[1]",
  );
  assert.equal(text(withElements(bytes("[1]"), [], { removed: new Set([0]) })), "[]");
});

Deno.test("random changes give what the same changes to the parsed value give", () => {
  let state = 7;
  const random = (below: number) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor(state / 65536) % below;
  };
  const value = (depth: number): unknown => {
    switch (random(depth > 3 ? 4 : 6)) {
      case 0:
        return random(1000) / 8;
      case 1:
        return ['"', "\\", "中\ud83d\ude00", "],}{[", ""][random(5)];
      case 2:
        return [true, false, null][random(3)];
      case 3:
        return "plain";
      case 4:
        return Array.from({ length: random(4) }, () => value(depth + 1));
      default:
        return Object.fromEntries(
          Array.from({ length: random(4) }, (_, i) => ['k"' + i, value(depth + 1)]),
        );
    }
  };
  for (let round = 0; round < 500; round++) {
    const before = { a: value(0), b: [value(0), value(0)], c: value(0) };
    const body = bytes(JSON.stringify(before, null, random(3)));
    const json = value(0);
    const members = withMembers(body, [], new Map([["a", null], ["c", JSON.stringify(json)]]));
    assert.deepEqual(JSON.parse(text(members)), { b: before.b, c: json });
    const list = withElements(body, ["b"], {
      removed: new Set([random(2)]),
      inserted: [{ before: 2, json: JSON.stringify(json) }],
    });
    assert.equal(JSON.parse(text(list)).b.length, 2);
    assert.deepEqual(JSON.parse(text(list)).b[1], json);
    const one = withValues(body, [{ path: ["b", 1], json: JSON.stringify(json) }]);
    assert.deepEqual(JSON.parse(text(one)), { ...before, b: [before.b[0], json] });
  }
});
