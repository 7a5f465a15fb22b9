// Long bodies are made plain in turns: whoever else is on the loop is served in between.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import zlib from "node:zlib";
import type { ClientRequest } from "../../lib/http/client.ts";
import { joinedInTurns } from "../../lib/http/turns.ts";
import { readPlainBody } from "../../lib/server/plain_body.ts";
import { ANY_BODY } from "../support/body_hold.ts";

const LIMIT = 64 * 1024 * 1024;

function clientWith(coding: string, body: Uint8Array): ClientRequest {
  return {
    method: "POST",
    target: "/",
    headers: [["content-encoding", coding]],
    remoteAddress: "127.0.0.1",
    gone: false,
    readBody: () => Promise.resolve(body),
    onGone: () => () => {},
  };
}

/**
 * How often something else had its turn before `work` was done, on a clock that goes on by a millisecond with
 * each look at it: how fast the machine is makes no difference.
 */
async function turnsDuring<T>(work: () => Promise<T>): Promise<{ turns: number; result: T }> {
  let now = 0;
  const { now: real } = performance;
  performance.now = () => now++;
  using _ = { [Symbol.dispose]: () => performance.now = real };
  let isDone = false;
  const working = work().finally(() => isDone = true);
  let turns = 0;
  while (!isDone) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    turns++;
  }
  return { turns, result: await working };
}

const text = new TextEncoder().encode(`{"x":"${"abc".repeat(15_000_000)}"}`);
const wide = new Uint8Array(new Uint16Array(text.subarray(0, 20_000_000)).buffer);
for (
  const [coding, encode] of [
    ["gzip", zlib.gzipSync],
    ["deflate", zlib.deflateSync],
    [
      "br",
      (body: Uint8Array) =>
        zlib.brotliCompressSync(body, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
    ],
    ["zstd", zlib.zstdCompressSync],
    ["identity", () => wide],
  ] as const
) {
  const name = coding === "identity" ? "UTF-16" : coding;
  Deno.test(`forty-five megabytes of ${name} are made plain in turns`, async () => {
    const coded = new Uint8Array(encode(text));
    const { turns, result } = await turnsDuring(() =>
      readPlainBody(clientWith(coding, coded), LIMIT, ANY_BODY)
    );
    const expected = coding === "identity" ? text.subarray(0, 20_000_000) : text;
    assert.equal(result.length, expected.length);
    assert.equal(Buffer.compare(result, expected), 0);
    assert.ok(turns >= 8, `${turns} turns`);
  });
}

Deno.test("long pieces are put together in turns, whatever their lengths", async () => {
  const lengths = [0, 1, 3_000_000, 40_000_000, 5, 1_048_576, 1_048_577, 0];
  const pieces = lengths.map((length, index) => new Uint8Array(length).fill(index));
  const expected = Buffer.concat(pieces);
  const { result } = await turnsDuring(() => joinedInTurns(pieces));
  assert.equal(Buffer.compare(result, expected), 0);
  assert.equal((await joinedInTurns([])).length, 0);
});
