import assert from "node:assert/strict";
import type { Capture } from "../../lib/record/capture.ts";
import { type HeavyLines, HeavyQueue } from "../../lib/record/shape/heavy_queue.ts";
import { type ShapedBytes, Shaper } from "../../lib/record/shape/shaper.ts";
import { waitFor } from "../support/wait.ts";
import { capture } from "./samples.ts";

/** Shapes what it is told to, when it is told to. */
class SlowShaper {
  /** Names of the captures that it was handed, in order. */
  readonly begun: string[] = [];
  closed = false;
  #work: PromiseWithResolvers<ShapedBytes> | null = null;

  get busy(): boolean {
    return this.#work !== null;
  }

  shape({ id }: Capture): Promise<ShapedBytes> {
    assert.ok(!this.busy, "it was handed a second capture");
    this.begun.push(id);
    this.#work = Promise.withResolvers();
    return this.#work.promise;
  }

  /** Ends the work under way, and lets the queue hear of it. */
  async end(with_: ShapedBytes | Error): Promise<void> {
    const work = this.#work!;
    this.#work = null;
    if (with_ instanceof Error) work.reject(with_);
    else work.resolve(with_);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }

  close(): void {
    this.closed = true;
  }
}

function stand() {
  const shaper = new SlowShaper();
  const unfit: unknown[] = [];
  const queue = new HeavyQueue(shaper, {
    format: () => "openai",
    onUnfit: (error) => unfit.push(error),
  });
  const add = (...ids: string[]) => ids.forEach((id) => queue.add(captureOf(id)));
  return { shaper, unfit, queue, add };
}

const captureOf = (id: string) => capture({ text: "x".repeat(10_000) }, null, { id });
const lines = (size: number): ShapedBytes => ({
  complete: true,
  lines: 1,
  bytes: new Uint8Array(size),
});
const sizes = (taken: readonly HeavyLines[]) => taken.map(({ bytes }) => bytes.length);

Deno.test("heavy captures are shaped one at a time, in the order in which they came", async () => {
  const { shaper, queue, add } = stand();
  add("a", "b", "c");
  await shaper.end(lines(1));
  assert.deepEqual(shaper.begun, ["a", "b"]);
  assert.deepEqual(sizes(queue.take()), [1]);
  await shaper.end(lines(2));
  add("d");
  await shaper.end(lines(3));
  assert.deepEqual(sizes(queue.take()), [2, 3]);
  await shaper.end(lines(4));
  assert.deepEqual(shaper.begun, ["a", "b", "c", "d"]);
  assert.deepEqual(sizes(queue.take()), [4]);
  assert.ok(queue.isEmpty);
});

Deno.test("while the lines of two heavy captures wait nobody begins a third", async () => {
  const { shaper, queue, add } = stand();
  add("a", "b", "c");
  await shaper.end(lines(1));
  await shaper.end(lines(2));
  assert.deepEqual([shaper.begun, shaper.busy], [["a", "b"], false]);
  assert.deepEqual(sizes(queue.take()), [1, 2]);
  assert.deepEqual(shaper.begun, ["a", "b", "c"]);
});

Deno.test("a heavy capture counts by its bytes until its lines are taken", async () => {
  const { shaper, queue, add } = stand();
  add("a");
  const each = queue.bytes;
  assert.ok(each > 10_000);
  add("b");
  assert.equal(queue.bytes, 2 * each);
  await shaper.end(lines(500));
  assert.equal(queue.bytes, each + 500);
  await shaper.end(new Error("broken"));
  assert.deepEqual([queue.bytes, queue.isEmpty], [500, false]);
  queue.take();
  assert.deepEqual([queue.bytes, queue.isEmpty], [0, true]);
});

Deno.test("after its end a queue of heavy captures says nothing more", async () => {
  for (const end of [lines(1), new Error("the recorder was closed")]) {
    const { shaper, unfit, queue, add } = stand();
    add("a", "b");
    queue.close();
    await shaper.end(end);
    assert.deepEqual([shaper.begun, shaper.closed], [["a"], true]);
    assert.deepEqual([unfit, queue.take(), queue.bytes], [[], [], 0]);
  }
});

Deno.test("an isolate that dies costs the heavy capture that it had, and none beside it", async () => {
  const module = `onmessage = ({ data: { capture: { id } } }) => {
    if (id === "b") throw new Error("broken");
    postMessage({ complete: true, lines: 1, bytes: new TextEncoder().encode(id) });
  };`;
  const unfit: unknown[] = [];
  const queue = new HeavyQueue(new Shaper(`data:text/javascript,${encodeURIComponent(module)}`), {
    format: () => "openai",
    onUnfit: (error) => unfit.push(error),
  });
  for (const id of ["a", "b", "c"]) queue.add(captureOf(id));
  const taken: HeavyLines[] = [];
  await waitFor(() => {
    taken.push(...queue.take());
    return queue.isEmpty;
  }, "the captures are shaped");
  queue.close();
  assert.deepEqual(taken.map(({ bytes }) => new TextDecoder().decode(bytes)), ["a", "c"]);
  assert.equal(unfit.length, 1);
  assert.match(String(unfit[0]), /broken/);
});
