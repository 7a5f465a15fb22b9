// The chunked coding by a table of cases (RFC 9112, section 7.1): each case whole, cut in two at every
// byte, cut in three, and byte by byte.

import assert from "node:assert/strict";
import { ChunkedDecoder } from "../../lib/http/chunked.ts";
import { HttpSyntaxError } from "../../lib/http/syntax_error.ts";
import { bytesOf, cutAt, latin1 } from "./scripted.ts";

/** The data, then "|" and what follows the body; "..." when the end has not come; or the error. */
function decoded(pieces: readonly Uint8Array[]): string {
  const decoder = new ChunkedDecoder();
  let data = "";
  let rest = "";
  try {
    for (const piece of pieces) {
      let at = 0;
      // Data before a fault comes first, and the fault with the next call.
      while (at < piece.length && !decoder.done) {
        data += latin1(decoder.decode(piece, at, piece.length));
        at = decoder.consumed;
      }
      rest += latin1(piece.subarray(at));
    }
  } catch (error) {
    if (!(error instanceof HttpSyntaxError)) throw error;
    return `error: ${error.message}`;
  }
  return decoder.done ? `${data}|${rest}` : `${data}...`;
}

const size = "error: malformed chunk size";
const large = "error: chunk size too large";
const bareCr = "error: a bare CR in the chunked coding";
const extension = "error: malformed chunk extension";
const trailer = "error: malformed trailer section";
const longer = "error: chunk data longer than its size";

const CASES: [name: string, bytes: string, expected: string][] = [
  ["one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello|"],
  ["several chunks", "1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", "abcdef|"],
  ["no data", "0\r\n\r\n", "|"],
  ["data that looks like framing", "7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n|"],
  ["what follows is left alone", "1\r\nx\r\n0\r\n\r\nGET /", "x|GET /"],
  [
    "hex digits of either case",
    "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "01234567890123456789|",
  ],
  ["leading zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello|"],
  ["an extension", "5;a=b\r\nhello\r\n0\r\n\r\n", "hello|"],
  ["an extension with a quoted value", '5;a="b; c";d\r\nhello\r\n0;e\r\n\r\n', "hello|"],
  ["trailers", "1\r\nx\r\n0\r\na: b\r\nc: d\r\n\r\n", "x|"],
  ["no end", "5\r\nhello\r\n", "hello..."],
  ["cut in its data", "5\r\nhel", "hel..."],
  ["cut in its size", "5", "..."],
  ["cut in its trailers", "0\r\na: b\r\n", "..."],
  ["nothing", "", "..."],
  ["an empty size", "\r\nhello\r\n0\r\n\r\n", size],
  ["an empty size before an extension", ";a\r\n\r\n", size],
  ["a negative size", "-5\r\nhello\r\n", size],
  ["a sign", "+5\r\nhello\r\n", size],
  ["0x", "0x5\r\nhello\r\n", size],
  ["no hex digit", "g\r\n", size],
  ["a space before the size", " 5\r\nhello\r\n", size],
  ["a space after the size", "5 \r\nhello\r\n", size],
  ["a tab after the size", "5\t;a\r\nhello\r\n", size],
  ["an underscore", "1_0\r\nhello", size],
  ["NUL in the size", "5\0\r\nhello\r\n", size],
  ["a fullwidth digit in UTF-8", "\xef\xbc\x95\r\nhello\r\n", size],
  ["2^40 bytes are the limit", "10000000000\r\nx", "x..."],
  ["more", "10000000001\r\nx", large],
  ["a size that overflows 32 bits", "ffffffff0\r\nx", "x..."],
  ["a size that overflows 53 bits", "20000000000000\r\n", large],
  ["a size that overflows 64 bits", "10000000000000005\r\nhello\r\n", large],
  ["zeros without end", "0".repeat(40), large],
  ["bare LF after the size", "5\nhello\r\n", size],
  ["bare CR after the size", "5\rhello\r\n", bareCr],
  ["CR CR LF after the size", "5\r\r\nhello\r\n", bareCr],
  ["bare LF after the data", "5\r\nhello\n0\r\n\r\n", longer],
  ["bare CR after the data", "5\r\nhello\r0\r\n\r\n", bareCr],
  ["data longer than its size", "4\r\nhello\r\n0\r\n\r\n", longer],
  ["data shorter than its size", "6\r\nhello\r\n0\r\n\r\n", longer],
  ["NUL in an extension", "5;\0\r\nhello\r\n", extension],
  ["bare LF in an extension", "5;a\nhello\r\n", extension],
  ["an extension without end", `5;${"a".repeat(5000)}`, extension],
  ["NUL in a trailer", "0\r\na: \0\r\n\r\n", trailer],
  ["bare LF in a trailer", "0\r\na: b\n\r\n", trailer],
  ["bare LF instead of the last line", "0\r\n\n", trailer],
  ["bare CR in a trailer", "0\r\na\rb\r\n\r\n", bareCr],
  ["bare CR in the last line", "0\r\n\rx", bareCr],
  ["trailers without end", `0\r\n${"a: b\r\n".repeat(5000)}`, trailer],
];

for (const [name, text, expected] of CASES) {
  Deno.test(`chunked, for any split: ${name}`, () => {
    const bytes = bytesOf(text);
    assert.equal(decoded([bytes.slice()]), expected, "whole");
    const every = Array.from(bytes, (_, at) => at);
    assert.equal(decoded(cutAt(bytes, every)), expected, "byte by byte");
    const step = Math.ceil(bytes.length / 60);
    for (const at of every.filter((at) => at % step === 0)) {
      assert.equal(decoded(cutAt(bytes, [at])), expected, `cut at ${at}`);
      assert.equal(decoded(cutAt(bytes, [at, at + 2])), expected, `cut at ${at} and ${at + 2}`);
    }
  });
}

Deno.test("data before a fault is given out, and the fault told by the next call", () => {
  const bytes = bytesOf("2\r\nab\r\n3\r\ncde\r\nzz\r\n");
  const decoder = new ChunkedDecoder();
  assert.equal(latin1(decoder.decode(bytes, 0, bytes.length)), "abcde");
  assert.ok(!decoder.done);
  const { consumed } = decoder;
  const again = () => decoder.decode(bytes, consumed, bytes.length);
  assert.throws(again, HttpSyntaxError);
  assert.throws(again, HttpSyntaxError);
});

Deno.test("chunks are decoded within a part of a buffer, and nothing outside it is touched", () => {
  const bytes = bytesOf("##2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n##");
  const decoder = new ChunkedDecoder();
  assert.equal(latin1(decoder.decode(bytes, 2, bytes.length - 2)), "abcde");
  assert.ok(decoder.done);
  assert.equal(decoder.consumed, bytes.length - 2);
  assert.equal(latin1(bytes.subarray(0, 2)) + latin1(bytes.subarray(-2)), "####");
});
