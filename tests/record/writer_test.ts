// The writer: whole lines, in the right file, whatever happens to the disk.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { Capture } from "../../lib/record/capture.ts";
import { RecordWriter, type RecordWriterOptions } from "../../lib/record/writer.ts";
import { noDisk, smallDisk } from "../support/small_disk.ts";
import { oneOf, waitFor } from "../support/wait.ts";
import { bytesOf, capture, chunk, completion, storeOf } from "./samples.ts";

const SHAPER = new URL("./shaper_main.ts", import.meta.url).href;
const HOUR = "20260102_15";

interface Stand extends AsyncDisposable {
  dir: string;
  writer: RecordWriter;
  drops: number[];
  errors: unknown[];
  /** What no record could be made of. */
  unfit: unknown[];
  /** The lines of a file, parsed; [] when there is none. */
  lines(folder?: string, name?: string): Promise<Record<string, unknown>[]>;
}

async function stand(
  more: Partial<RecordWriterOptions> = {},
  before?: (dir: string) => Promise<void>,
): Promise<Stand> {
  const root = await Deno.makeTempDir();
  const dir = more.dataDir ?? join(root, "data");
  await before?.(dir);
  const drops: number[] = [];
  const errors: unknown[] = [];
  const unfit: unknown[] = [];
  const writer = new RecordWriter({
    dataDir: dir,
    format: "sharegpt",
    queueMax: 1000,
    queueMaxBytes: 1 << 28,
    shaper: SHAPER,
    now: () => new Date(2026, 0, 2, 15, 4, 5),
    onDrop: (count) => drops.push(count),
    onError: (error) => errors.push(error),
    onUnfit: (error) => unfit.push(error),
    ...more,
  });
  return {
    dir,
    writer,
    drops,
    errors,
    unfit,
    lines: async (folder = "requests_responses", name = `${HOUR}.jsonl`) => {
      const text = await textOf(join(dir, folder, name));
      assert.ok(text === "" || text.endsWith("\n"), "a line is not whole");
      return text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
    },
    async [Symbol.asyncDispose]() {
      await writer.close();
      await Deno.remove(root, { recursive: true });
    },
  };
}

async function textOf(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

const user = (content: string) => ({ messages: [{ role: "user", content }] });

function chat(content: string, more: Partial<Capture> = {}): Capture {
  return capture(user(content), completion({ content: `re: ${content}` }), more);
}

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

Deno.test("closing waits for what is being shaped elsewhere", async () => {
  await using at = await stand();
  at.writer.offer({ ...chat("x"), requestBody: bytesOf(huge.text()) });
  at.writer.offer(chat("beside it"));
  await at.writer.close();
  assert.equal((await at.lines()).length, 2);
  assert.deepEqual(at.drops, []);
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

Deno.test("while the folder cannot be written records wait, and are written when it can", async () => {
  // A file stands where the data folder should be.
  let recoveries = 0;
  await using at = await stand(
    { queueMax: 3, onWritten: () => recoveries++ },
    (dir) => Deno.writeTextFile(dir, "in the way"),
  );
  for (const text of ["one", "two", "three", "four"]) at.writer.offer(chat(text));
  await at.writer.flush();
  assert.equal(at.writer.stats().queued, 3);
  assert.deepEqual(at.drops, [1]);
  assert.ok(at.errors.length > 0);
  assert.equal(recoveries, 0);
  await Deno.remove(at.dir);
  await at.writer.flush();
  assert.equal((await at.lines()).length, 3);
  assert.equal(at.writer.stats().queued, 0);
  at.writer.offer(chat("five"));
  await at.writer.flush();
  assert.equal(recoveries, 1);
});

Deno.test("closing with a disk that refuses ends, and counts what is lost", async () => {
  await using at = await stand({}, (dir) => Deno.writeTextFile(dir, "in the way"));
  at.writer.offer(chat("one"));
  at.writer.offer(chat("two"));
  await at.writer.close();
  assert.deepEqual(at.drops, [2]);
  assert.equal(at.writer.stats().dropped, 2);
  await Deno.remove(at.dir);
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

Deno.test({
  name: "a full disk costs no whole line and leaves no half one" +
    (noDisk ? ": skipped, mounting a small file system needs root on Linux" : ""),
  // Only a file system of its own can be filled; the name says what is missing.
  ignore: noDisk,
  fn: async () => {
    await using disk = (await smallDisk(256))!;
    const dataDir = join(disk.path, "data");
    await using at = await stand({ dataDir, queueMax: 100 });
    at.writer.offer(chat("first"));
    await at.writer.flush();
    const ballast = join(disk.path, "ballast");
    await Deno.writeFile(ballast, new Uint8Array(200 * 1024));
    for (let i = 0; i < 20; i++) at.writer.offer(chat(`${i} ${"x".repeat(5000)}`));
    await at.writer.flush();
    assert.ok(at.errors.length > 0, "the disk was not full");
    assert.match(String(at.errors[0]), /space/i);
    assert.equal((await at.lines()).length, 1);
    assert.equal(at.writer.stats().queued, 20);
    await Deno.remove(ballast);
    await at.writer.flush();
    assert.equal((await at.lines()).length, 21);
    assert.deepEqual(at.drops, []);
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

const MEGABYTE = 1024 * 1024;
const huge: Record<string, () => string> = {
  values: () => `{"messages":[],"x":[${"{},".repeat(4 * MEGABYTE)}{}]}`,
  keys: () => `{"messages":[],${Array.from({ length: 5e5 }, (_, at) => `"k${at}":1`).join()}}`,
  tools: () => `{"messages":[],"tools":[${'{"type":"function","function":{}},'.repeat(1e5)}{}]}`,
  messages: () => `{"messages":[${'{"role":"user","content":"a"},'.repeat(3e5)}{}]}`,
  text: () => `{"messages":[{"role":"user","content":"${'\\"'.repeat(8 * MEGABYTE)}"}]}`,
};

Deno.test("no request, whatever it is made of, keeps others waiting while it is recorded", () =>
  oneOf(3, keepsNobodyWaiting));

async function keepsNobodyWaiting(): Promise<void> {
  await using at = await stand();
  for (const [name, make] of Object.entries(huge)) {
    const { written } = at.writer.stats();
    at.writer.offer({ ...chat("x"), requestBody: bytesOf(make()) });
    at.writer.offer(chat(`beside ${name}`));
    let longest = 0;
    const begun = performance.now();
    let last = begun;
    let over = false;
    const flushed = at.writer.flush().finally(() => over = true);
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }
    await flushed;
    assert.equal(at.writer.stats().written, written + 2, name);
    // Parsing it here is nearly all that there is to do; a loaded machine is late with everything.
    const bound = Math.max(500, (last - begun) / 3);
    assert.ok(longest < bound, `${name}: the loop stood still for ${longest} ms`);
  }
  const complete = (await at.lines()).map((line) => line.conversations as { value: string }[]);
  const texts = complete.map(([first]) => first.value);
  assert.ok(texts.includes('"'.repeat(8 * MEGABYTE)));
  const [unparsed, ...more] = await at.lines("incomplete");
  assert.equal(more.length, 0);
  const meta = JSON.parse(unparsed.meta as string);
  assert.deepEqual([meta.outcome, /more values/.test(meta.error)], ["unfit", true]);
  assert.deepEqual(at.errors, []);
}

Deno.test("without an isolate for it, a heavy request is recorded as the text that it is", async () => {
  await using at = await stand({ shaper: null });
  at.writer.offer({ ...chat("x"), requestBody: bytesOf(huge.messages()) });
  await at.writer.flush();
  const [line] = await at.lines("incomplete");
  const [asked, answered] = line.conversations as { value: string }[];
  assert.match(asked.value, /^\{"messages":\[\{"role":"user"/);
  assert.match(answered.value, /re: x/);
  assert.ok(asked.value.length < 2 * MEGABYTE);
});

Deno.test("an isolate that dies costs its capture, and the next one has another", async () => {
  let recoveries = 0;
  await using at = await stand({
    shaper: "data:text/javascript,throw new Error('broken')",
    onWritten: () => recoveries++,
  });
  at.writer.offer({ ...chat("x"), requestBody: bytesOf(huge.messages()) });
  at.writer.offer(chat("one"));
  await at.writer.flush();
  assert.equal((await at.lines()).length, 1);
  assert.deepEqual(at.writer.stats(), { written: 1, dropped: 0, failed: 1, queued: 0 });
  assert.match(String(at.unfit[0]), /broken/);
  // No write was refused: nothing is there to be over.
  assert.deepEqual(at.errors, []);
  assert.equal(recoveries, 0);
});
