// The writer and what is too heavy for it: shaped in an isolate of its own, beside everything else.

import assert from "node:assert/strict";
import { threadCpuMs } from "../support/cpu.ts";
import { bytesOf } from "./samples.ts";
import { chat, stand } from "./writer_stand.ts";

const MEGABYTE = 1024 * 1024;
/** Of this thread: what no turn of the event loop may take. */
const LONG_TURN_MS = 50;

const huge: Record<string, () => string> = {
  values: () => `{"messages":[],"x":[${"{},".repeat(4 * MEGABYTE)}{}]}`,
  keys: () => `{"messages":[],${Array.from({ length: 5e5 }, (_, at) => `"k${at}":1`).join()}}`,
  tools: () => `{"messages":[],"tools":[${'{"type":"function","function":{}},'.repeat(1e5)}{}]}`,
  messages: () => `{"messages":[${'{"role":"user","content":"a"},'.repeat(3e5)}{}]}`,
  text: () => `{"messages":[{"role":"user","content":"${'\\"'.repeat(8 * MEGABYTE)}"}]}`,
};

Deno.test("no request, whatever it is made of, keeps others waiting while it is recorded", async () => {
  await using at = await stand();
  for (const [name, make] of Object.entries(huge)) {
    const { written } = at.writer.stats();
    at.writer.offer({ ...chat("x"), requestBody: bytesOf(make()) });
    at.writer.offer(chat(`beside ${name}`));
    let longest = 0;
    let last = threadCpuMs();
    let over = false;
    const flushed = at.writer.flush().finally(() => over = true);
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      longest = Math.max(longest, threadCpuMs() - last);
      last = threadCpuMs();
    }
    await flushed;
    assert.equal(at.writer.stats().written, written + 2, name);
    // Turns take below ten; parsing some of these here takes a second, and making their lines as long.
    assert.ok(longest < LONG_TURN_MS, `${name}: a turn of the event loop took ${longest} ms`);
  }
  const complete = (await at.lines()).map((line) => line.conversations as { value: string }[]);
  const texts = complete.map(([first]) => first.value);
  assert.ok(texts.includes('"'.repeat(8 * MEGABYTE)));
  const [unparsed, ...more] = await at.lines("incomplete");
  assert.equal(more.length, 0);
  const meta = JSON.parse(unparsed.meta as string);
  assert.deepEqual([meta.outcome, /more values/.test(meta.error)], ["unfit", true]);
  assert.deepEqual(at.errors, []);
});

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

Deno.test("closing waits for what is being shaped elsewhere", async () => {
  await using at = await stand();
  at.writer.offer({ ...chat("x"), requestBody: bytesOf(huge.text()) });
  at.writer.offer(chat("beside it"));
  await at.writer.close();
  assert.equal((await at.lines()).length, 2);
  assert.deepEqual(at.drops, []);
});
