// What two configurations differ in: lib/config/compare.ts by itself.

import assert from "node:assert/strict";
import { differencesOf } from "../../lib/config/compare.ts";

function told(before: unknown, after: unknown): string[] {
  return differencesOf(before, after).map(({ path, kind, before, after }) =>
    `${kind} ${path}: ${before} > ${after}`
  );
}

Deno.test("what is the same is no difference, and members with names go by them", () => {
  const instances = [{ name: "a", weight: 1 }, { name: "b", weight: 1 }];
  assert.deepEqual(told({ instances }, { instances }), []);
  assert.deepEqual(told({ instances, port: 1 }, { instances: [instances[1], { name: "c" }] }), [
    `added instances[c]:  > {"name":"c"}`,
    `removed instances[a]: {"name":"a","weight":1} > `,
    `removed port: 1 > `,
  ]);
  assert.deepEqual(told({ instances }, { instances: [instances[0], { name: "b", weight: 0 }] }), [
    "changed instances[b].weight: 1 > 0",
  ]);
});

Deno.test("another secret is told, and neither of the two", () => {
  const of = (api_key: string) => ({
    instances: [{ name: "a", api_key }],
    admin: { token: api_key },
  });
  const found = differencesOf(of("sk-one"), of("sk-two"));
  assert.deepEqual(found.map(({ path }) => path), ["instances[a].api_key", "admin.token"]);
  assert.ok(found.every(({ before, after }) => before === after));
  assert.doesNotMatch(JSON.stringify(found), /sk-/);
  const added = differencesOf({}, of("sk-one"));
  assert.doesNotMatch(JSON.stringify(added), /sk-/);
});

Deno.test("odd texts are compared, too, and there is an end to it", () => {
  assert.deepEqual(told(null, { a: 1 }), [`changed : null > {"a":1}`]);
  assert.deepEqual(told([1, 2], [1]), ["removed [1]: 2 > "]);
  assert.deepEqual(told({ a: [{ name: "x" }, { name: "x" }] }, { a: [] }).length, 2);
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, i]));
  assert.equal(differencesOf({}, many).length, 200);
  assert.ok(differencesOf({}, { a: "x".repeat(100_000) })[0].after.length < 300);
});
