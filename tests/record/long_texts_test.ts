// A record with long texts is the same whether or not they were parsed.

import assert from "node:assert/strict";
import type { Capture } from "../../lib/record/capture.ts";
import { LongTexts } from "../../lib/record/long_texts.ts";
import { recordsOf } from "../../lib/record/record.ts";
import { dialects } from "../../lib/api/dialects.ts";
import { assemble } from "../../lib/sse/assemble/assemble.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function captureOf(body: unknown): Capture {
  return {
    id: "1",
    api: "chat",
    outcome: "complete",
    model: "m",
    instance: "a",
    requestBody: typeof body === "string"
      ? encoder.encode(body)
      : encoder.encode(JSON.stringify(body)),
    stream: false,
    status: 200,
    response: encoder.encode(
      '{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}',
    ),
    startedAtMs: 0,
    firstByteMs: 1,
    durationMs: 1,
    client: "c",
    attempts: [],
  };
}

function linesOf(capture: Capture, format: "sharegpt" | "openai"): unknown[] {
  const { lines } = recordsOf(
    capture,
    assemble(dialects.chat.assembler(), capture.response),
    format,
  );
  return JSON.parse(JSON.stringify(lines));
}

/** The lines by way of LongTexts; null when that way is closed. */
function restoredOf(capture: Capture, format: "sharegpt" | "openai"): unknown[] | null {
  const long = LongTexts.in(capture.requestBody);
  if (long === null) return null;
  const { lines } = recordsOf(
    { ...capture, requestBody: long.body },
    assemble(dialects.chat.assembler(), capture.response),
    format,
  );
  const restored = lines.map((line) => long.restore(JSON.stringify(line)));
  if (restored.some((pieces) => pieces === null)) return null;
  return restored.map((pieces) =>
    JSON.parse(pieces!.map((p) => typeof p === "string" ? p : decoder.decode(p)).join(""))
  );
}

const LONG = 'a "quoted" \\ word\n中文 🚀\t'.repeat(4000);

Deno.test("a long prompt comes into the record letter by letter", () => {
  const asked = [
    [{ role: "user", content: LONG }],
    [{ role: "system", content: LONG }, { role: "user", content: LONG + "!" }],
    [{ role: "system", content: "short" }, { role: "system", content: LONG }, {
      role: "user",
      content: [{ type: "text", text: LONG }, {
        type: "image_url",
        image_url: { url: `data:image/png;base64,${"A".repeat(90_000)}` },
      }],
    }],
    [{ role: "user", content: "x" }, { role: "assistant", content: LONG }, {
      role: "user",
      content: "y",
    }],
  ];
  for (const messages of asked) {
    const capture = captureOf({ model: "m", messages });
    for (const format of ["sharegpt", "openai"] as const) {
      const restored = restoredOf(capture, format);
      assert.notEqual(restored, null);
      assert.deepEqual(restored, linesOf(capture, format));
    }
  }
});

Deno.test("what cannot be taken as it is, is parsed", () => {
  // JSON within a string needs other escapes.
  const nested = captureOf({
    model: "m",
    messages: [{ role: "user", content: { content: LONG } }],
  });
  assert.equal(restoredOf(nested, "sharegpt"), null);
  // A separator that ends a line for Python, raw control bytes, broken UTF-8, a short body.
  const separated = JSON.stringify({ messages: [{ role: "user", content: `${LONG}\u2028` }] });
  assert.equal(LongTexts.in(encoder.encode(separated)), null);
  const raw = `{"messages":[{"role":"user","content":"${"a\tb".repeat(30_000)}"}]}`;
  assert.equal(LongTexts.in(encoder.encode(raw)), null);
  const broken = encoder.encode(`{"content":"${"a".repeat(90_000)}"}`);
  broken[50_000] = 0xff;
  assert.equal(LongTexts.in(broken), null);
  assert.equal(LongTexts.in(encoder.encode('{"content":"hello"}')), null);
  const echoed = JSON.stringify({ echo: true, messages: [{ role: "user", content: LONG }] });
  assert.equal(LongTexts.in(encoder.encode(echoed)), null);
});

Deno.test("a body that was cut off stays as it is", () => {
  const body = encoder.encode(JSON.stringify({ messages: [{ content: LONG }, { content: LONG }] }));
  assert.notEqual(LongTexts.in(body), null);
  for (let end = 65_536; end < body.length; end += 997) {
    assert.equal(LongTexts.in(body.subarray(0, end)), null);
  }
});
