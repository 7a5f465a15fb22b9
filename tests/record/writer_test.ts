// The writer: whole lines, in the right file, whatever happens to it. A disk that refuses: writer_disk_test.ts, what is
// too heavy to be parsed between requests: writer_heavy_test.ts.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { Capture } from "../../lib/record/capture.ts";
import { waitFor } from "../support/wait.ts";
import { capture, chunk, storeOf } from "./samples.ts";
import { chat, HOUR, stand, textOf, user } from "./writer_stand.ts";

Deno.test("a complete answer is a line in the file of the local hour", async () => {
  await using at = await stand();
  at.writer.offer(chat("one"));
  at.writer.offer(chat("two"));
  await at.writer.flush();
  const lines = await at.lines();
  assert.deepEqual(lines.map((line) => line.conversations), [
    [{ from: "human", value: "one" }, { from: "gpt", value: "re: one" }],
    [{ from: "human", value: "two" }, { from: "gpt", value: "re: two" }],
  ]);
  assert.deepEqual(at.writer.stats(), { written: 2, dropped: 0, failed: 0, queued: 0 });
});

Deno.test("records appear without anyone asking for them", async () => {
  await using at = await stand();
  at.writer.offer(chat("one"));
  await waitFor(() => at.writer.stats().written === 1, "the record");
  at.writer.offer(chat("two"));
  await waitFor(() => at.writer.stats().written === 2, "the second record");
  assert.equal((await at.lines()).length, 2);
});

Deno.test("what is not a complete answer is kept apart", async () => {
  await using at = await stand();
  const cut = storeOf([chunk({ role: "assistant", content: "" }), chunk({ content: "Hal" })]);
  at.writer.offer(capture(user("cut"), cut, { outcome: "truncated", error: "gpu-1 broke off" }));
  at.writer.offer(capture(user("left"), cut, { outcome: "aborted" }));
  at.writer.offer(capture(user("none"), null, { outcome: "failed", status: 503, error: "down" }));
  await at.writer.flush();
  assert.deepEqual(await at.lines(), []);
  const metas = (await at.lines("incomplete")).map((line) => JSON.parse(line.meta as string));
  assert.deepEqual(metas.map((meta) => [meta.outcome, meta.error]), [
    ["truncated", "gpu-1 broke off"],
    ["aborted", "aborted"],
    ["failed", "down"],
  ]);
});

Deno.test("an answer that was longer than what is kept of one is not trained on", async () => {
  await using at = await stand();
  const long = storeOf([chunk({ content: "x".repeat(5000) }), chunk({}, "stop")], 1000);
  at.writer.offer(capture(user("long"), long));
  await at.writer.flush();
  assert.deepEqual(await at.lines(), []);
  assert.equal((await at.lines("incomplete")).length, 1);
});

Deno.test("a full queue drops, by count and by bytes, and says how many", async () => {
  await using at = await stand({ queueMax: 2 });
  for (let i = 0; i < 5; i++) at.writer.offer(chat(String(i)));
  assert.equal(at.drops.length, 3);
  assert.equal(at.writer.stats().queued, 2);
  await at.writer.flush();
  assert.equal((await at.lines()).length, 2);

  await using small = await stand({ queueMaxBytes: 4000 });
  small.writer.offer(chat("fits"));
  small.writer.offer(chat("x".repeat(4000)));
  assert.deepEqual(small.drops, [1]);
});

Deno.test("closing writes what waits", async () => {
  await using at = await stand();
  for (let i = 0; i < 300; i++) at.writer.offer(chat(String(i)));
  await at.writer.close();
  assert.equal((await at.lines()).length, 300);
  at.writer.offer(chat("late"));
  assert.deepEqual(at.drops, [1]);
});

Deno.test("others run while a long answer is put together", async () => {
  await using at = await stand();
  const events: object[] = [];
  for (let i = 0; i < 60_000; i++) events.push(chunk({ content: ` word${i}` }));
  events.push(chunk({}, "stop"));
  at.writer.offer(capture(user("long"), storeOf(events, 1 << 26)));
  let turns = 0;
  let over = false;
  const flushed = at.writer.flush().then(() => over = true);
  while (!over) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    turns++;
  }
  await flushed;
  assert.ok(turns > 5, `${turns} turns of the event loop`);
  assert.equal((await at.lines()).length, 1);
});

Deno.test("a half line that a crash left is moved away at the next start", async () => {
  const whole = '{"id":"a"}\n{"id":"b"}\n';
  const torn = `{"id":"c","conversations":[{"value":"${"x".repeat(200_000)}`;
  await using at = await stand({}, async (dir) => {
    await Deno.mkdir(join(dir, "requests_responses"), { recursive: true });
    await Deno.writeTextFile(join(dir, "requests_responses", "20260102_14.jsonl"), whole + torn);
    await Deno.writeTextFile(join(dir, "requests_responses", `${HOUR}.jsonl`), '{"only":"torn');
  });
  at.writer.offer(chat("one"));
  await at.writer.flush();
  assert.equal((await at.lines()).length, 1);
  assert.deepEqual(await at.lines("requests_responses", "20260102_14.jsonl"), [
    { id: "a" },
    { id: "b" },
  ]);
  assert.equal(await textOf(join(at.dir, "incomplete", "20260102_14.jsonl.torn")), `${torn}\n`);
  assert.equal(await textOf(join(at.dir, "incomplete", `${HOUR}.jsonl.torn`)), '{"only":"torn\n');
});

Deno.test("an older run's lines are continued, not replaced", async () => {
  await using at = await stand({}, async (dir) => {
    await Deno.mkdir(join(dir, "requests_responses"), { recursive: true });
    await Deno.writeTextFile(join(dir, "requests_responses", `${HOUR}.jsonl`), '{"id":"a"}\n');
  });
  at.writer.offer(chat("one"));
  await at.writer.flush();
  assert.equal((await at.lines()).length, 2);
});

Deno.test("a file or folder that is deleted under the writer is made again", async () => {
  await using at = await stand();
  at.writer.offer(chat("one"));
  await at.writer.flush();
  await Deno.remove(join(at.dir, "requests_responses", `${HOUR}.jsonl`));
  at.writer.offer(chat("two"));
  await at.writer.flush();
  assert.equal((await at.lines()).length, 1);
  await Deno.remove(at.dir, { recursive: true });
  at.writer.offer(chat("three"));
  await at.writer.flush();
  assert.equal((await at.lines()).length, 1);
  assert.deepEqual(at.errors, []);
});

Deno.test("a new data folder and format hold for the next records", async () => {
  await using at = await stand();
  at.writer.offer(chat("one"));
  await at.writer.flush();
  const dataDir = join(at.dir, "other");
  at.writer.configure({ dataDir, format: "openai", queueMax: 10, queueMaxBytes: 1 << 20 });
  at.writer.offer(chat("two"));
  await at.writer.flush();
  const [line] = await at.lines(join("other", "requests_responses"));
  assert.deepEqual(line.messages, [
    { role: "user", content: "two" },
    { role: "assistant", content: "re: two" },
  ]);
});

Deno.test("a change of the hour begins a new file", async () => {
  let hour = 15;
  await using at = await stand({ now: () => new Date(2026, 0, 2, hour, 59) });
  at.writer.offer(chat("one"));
  await at.writer.flush();
  hour = 16;
  at.writer.offer(chat("two"));
  await at.writer.flush();
  assert.equal((await at.lines()).length, 1);
  assert.equal((await at.lines("requests_responses", "20260102_16.jsonl")).length, 1);
});

Deno.test("no line is broken for readers that split at Unicode's line ends", async () => {
  await using at = await stand();
  at.writer.offer(chat("a\u2028b\u2029c\u0085d\ne\r"));
  await at.writer.flush();
  const text = await textOf(join(at.dir, "requests_responses", `${HOUR}.jsonl`));
  assert.doesNotMatch(text.slice(0, -1), /[\u2028\u2029\u0085\n\r]/);
  const [line] = await at.lines();
  const [first] = line.conversations as { value: string }[];
  assert.equal(first.value, "a\u2028b\u2029c\u0085d\ne\r");
});

Deno.test({
  name: "record files are not readable by everyone (not on Windows)",
  // Windows has no such modes.
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using at = await stand();
    at.writer.offer(chat("one"));
    await at.writer.flush();
    const { mode } = await Deno.stat(join(at.dir, "requests_responses", `${HOUR}.jsonl`));
    assert.equal(mode! & 0o137, 0);
  },
});

const response = (status: string, text?: string) => ({
  id: "resp_1",
  object: "response",
  created_at: 1750000000,
  status,
  output: text === undefined ? [] : [{ type: "message", content: [{ type: "output_text", text }] }],
});

/** What a GET of a stored response leaves: no request of its own. */
function fetched(body: object): Capture {
  return { ...capture({}, body, { api: "responses" }), requestBody: new Uint8Array(0) };
}

Deno.test("an answer made in the background is recorded once, when it is fetched whole", async () => {
  await using at = await stand();
  const asked = { input: "Think long", background: true };
  at.writer.offer(capture(asked, response("queued"), { api: "responses" }));
  at.writer.offer(fetched(response("in_progress")));
  at.writer.offer({ ...fetched(response("completed", "42")), outcome: "aborted" });
  await at.writer.flush();
  assert.deepEqual([await at.lines(), await at.lines("incomplete")], [[], []]);
  at.writer.offer(fetched(response("completed", "42")));
  at.writer.offer(fetched(response("completed", "42")));
  await at.writer.flush();
  const [line, ...more] = await at.lines();
  assert.deepEqual(line.conversations, [
    { from: "human", value: "Think long" },
    { from: "gpt", value: "42" },
  ]);
  assert.deepEqual([more, await at.lines("incomplete")], [[], []]);
});

Deno.test("a background answer that nobody fetched is told apart from a truncated one", async () => {
  await using at = await stand();
  at.writer.offer(capture({ input: "Think" }, response("queued"), { api: "responses" }));
  await at.writer.close();
  assert.deepEqual(await at.lines(), []);
  const [line] = await at.lines("incomplete");
  const meta = JSON.parse(line.meta as string);
  assert.deepEqual([meta.outcome, /nobody fetched/.test(meta.error)], ["aborted", true]);
});
