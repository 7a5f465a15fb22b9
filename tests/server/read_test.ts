// What a request's body says about routing, read as vLLM reads it.

import assert from "node:assert/strict";
import type { Api } from "../../lib/api/dialects.ts";
import type { ClientRequest } from "../../lib/http/client.ts";
import { readFields } from "../../lib/server/read.ts";

function read(body: string, api: Api | null = "chat") {
  const request = { method: "POST", headers: [["content-type", "application/json"]] };
  return readFields(request as unknown as ClientRequest, new TextEncoder().encode(body), api);
}

Deno.test("a stream is asked for by every word that vLLM takes for true", async () => {
  for (const value of ["true", "1", '"true"', '"True"', '"1"', '"yes"', '"on"', "1.0"]) {
    assert.equal((await read(`{"stream":${value}}`)).stream, true, value);
  }
  for (const value of ["false", "0", "null", '"false"', '"no"', '""', "2", "[true]", "{}"]) {
    assert.equal((await read(`{"stream":${value}}`)).stream, false, value);
  }
});

Deno.test("answers are counted by the API that is asked, the last of two fields counting", async () => {
  const counts: [string, Api | null, number][] = [
    ['{"n":3}', "chat", 3],
    ['{"n":"2"}', "chat", 2],
    ['{"n":2,"n":4}', "chat", 4],
    ['{"n":2,"prompt":[ "a" , "b" ]}', "completions", 4],
    ['{"prompt":[ [1,2], [3] ]}', "completions", 2],
    ['{"prompt":[ 1, 2 ]}', "completions", 1],
    [`{"prompt":["${"x".repeat(9000)}","b"]}`, "completions", 2],
    ['{"prompt":["a","b"]}', "chat", 1],
    ['{"n":3}', "messages", 1],
    ['{"n":3}', "responses", 1],
    ['{"n":3}', null, 1],
  ];
  for (const [body, api, count] of counts) {
    assert.equal((await read(body, api)).choices, count, body.slice(0, 40));
  }
});

Deno.test("a number of answers that hides in thousands of bytes is refused, not taken for one", async () => {
  for (const n of [`8.${"0".repeat(5000)}`, `"${" ".repeat(5000)}8"`]) {
    await assert.rejects(async () => await read(`{"n":${n}}`), /`n` must be a number/);
  }
});
