// The line of a request, as people and programs read it.

import assert from "node:assert/strict";
import { LineWriter } from "../../lib/observe/line_writer.ts";
import { logger, Logs } from "../../lib/observe/log.ts";
import type { Report } from "../../lib/observe/report.ts";
import { REPORT } from "./sample_report.ts";

class Sink {
  text = "";
  /** Takes at most this many bytes at once, as a slow terminal does. */
  constructor(private readonly atOnce = Infinity) {}
  writeSync(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, this.atOnce);
    this.text += new TextDecoder().decode(taken);
    return taken.length;
  }
}

const failed = { instance: "gpu-2", outcome: "failed" } as const;
const report: Report = {
  ...REPORT,
  model: "demo",
  instance: "gpu-1",
  attempts: [failed, { instance: "gpu-1", outcome: "answered" }],
  firstByteMs: 12.5,
  durationMs: 40,
  completionTokens: 30,
};

function written(format: "text" | "json", more: Partial<Report> = {}, level = "info"): string {
  const sink = new Sink();
  const logs = new Logs(new LineWriter(sink));
  logs.configure({ level: level as "info", format });
  logs.request({ ...report, ...more });
  logs.flush();
  return sink.text;
}

Deno.test("a request is one line of text with everything that matters", () => {
  assert.match(
    written("text"),
    /^\S+Z \[INF\] request abc POST \/v1\/chat\/completions model=demo instance=gpu-1 status=200 complete attempts=2 first_byte_ms=12\.5 duration_ms=40 tokens=7\+30\n$/,
  );
});

Deno.test("the same as JSON", () => {
  const { "@timestamp": time, ...fields } = JSON.parse(written("json"));
  assert.ok(!Number.isNaN(Date.parse(time)));
  assert.deepEqual(fields, {
    level: "INFO",
    message: "request",
    logger: "gateway.request",
    id: "abc",
    method: "POST",
    path: "/v1/chat/completions",
    model: "demo",
    instance: "gpu-1",
    status: 200,
    outcome: "complete",
    attempts: 2,
    first_byte_ms: 12.5,
    duration_ms: 40,
    prompt_tokens: 7,
    completion_tokens: 30,
  });
});

Deno.test("a request that nobody answered has a dash where others have an instance", () => {
  const more = { instance: "", attempts: [failed], completionTokens: null, firstByteMs: null };
  assert.match(
    written("text", more),
    / instance=- .* attempts=1 first_byte_ms=- duration_ms=40\n$/,
  );
  const { instance, attempts } = JSON.parse(written("json", more));
  assert.deepEqual([instance, attempts], ["-", 1]);
});

Deno.test("a client's text cannot forge a line or reach the terminal", () => {
  const text = written("text", {
    model: "m\n2026 [INF] request forged",
    error: "bad \u001b[31m\n \u009b31m \u2028 thing \u202e",
    path: "/v1/\u202edetad",
  });
  assert.equal(text.split("\n").length, 2);
  for (const unfit of "\u001b\u009b\u2028\u202e") assert.ok(!text.includes(unfit));
});

Deno.test("the level decides whether requests are shown, and can change while running", () => {
  assert.equal(written("text", {}, "warning"), "");
  assert.notEqual(written("text", {}, "debug"), "");
});

Deno.test("operational messages come in the same format", () => {
  const sink = new Sink();
  const logs = new Logs(new LineWriter(sink));
  logs.configure({ level: "info", format: "json" });
  logger.info("reloaded {count}", { count: 3 });
  logger.debug("not shown");
  logs.flush();
  const lines = sink.text.trimEnd().split("\n").map((text) => JSON.parse(text));
  assert.equal(lines.length, 1);
  assert.equal(lines[0].count, 3);
});

Deno.test("a sink that takes little at once gets everything, in order", () => {
  const sink = new Sink(3);
  const writer = new LineWriter(sink);
  writer.line("first");
  writer.line("second");
  writer.flush();
  assert.equal(sink.text, "first\nsecond\n");
});
