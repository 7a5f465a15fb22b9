// The lock of the shared memory, between real threads.

import assert from "node:assert/strict";
import { SharedState } from "../../lib/pool/shared_state.ts";
import type { Order } from "./lock_worker.ts";
import { threadCpuMs } from "../support/cpu.ts";
import { oneOf } from "../support/wait.ts";

class LockWorker implements Disposable {
  readonly #worker = new Worker(new URL("lock_worker.ts", import.meta.url).href, {
    type: "module",
  });
  readonly #said: string[] = [];
  #wake = () => {};

  constructor(order: Order) {
    this.#worker.onmessage = ({ data }) => {
      this.#said.push(data);
      this.#wake();
    };
    this.#worker.postMessage(order);
  }

  /** Waits until the worker says this. */
  async says(word: string): Promise<void> {
    while (!this.#said.includes(word)) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Ends it wherever it is. */
  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

Deno.test("what several threads do under the lock is never done at once", async () => {
  const { buffer } = SharedState.create();
  const board = new SharedArrayBuffer(8);
  const times = 20_000;
  const order = (worker: number): Order => ({ buffer, board, worker, kind: "count", times });
  using one = new LockWorker(order(1));
  using two = new LockWorker(order(2));
  using three = new LockWorker(order(3));
  await Promise.all([one, two, three].map((worker) => worker.says("done")));
  assert.equal(new Int32Array(board)[0], 3 * times);
});

Deno.test({
  name: "whoever waits for the lock leaves its core to others",
  ignore: Deno.build.os !== "linux",
  fn: () => oneOf(3, leavesItsCore),
});

async function leavesItsCore() {
  const shared = SharedState.create();
  const board = new SharedArrayBuffer(8);
  const { buffer } = shared;
  using holder = new LockWorker({ buffer, board, worker: 1, kind: "hold", ms: 600 });
  await holder.says("locked");
  const before = threadCpuMs();
  const startedAt = performance.now();
  shared.locked(() => {});
  const waitedMs = performance.now() - startedAt;
  const usedMs = threadCpuMs() - before;
  assert.ok(waitedMs > 300, `it was held for ${waitedMs} ms`);
  // Spinning takes all the time that the thread gets.
  assert.ok(usedMs < waitedMs / 3, `${usedMs} ms of CPU in ${waitedMs} ms`);
  await holder.says("done");
}

Deno.test("a lock that a dead worker has held is opened when the worker is dropped", async () => {
  const shared = SharedState.create();
  const board = new SharedArrayBuffer(8);
  const { buffer } = shared;
  const dead = new LockWorker({ buffer, board, worker: 1, kind: "hang" });
  await dead.says("locked");
  using waiting = new LockWorker({ buffer, board, worker: 2, kind: "count", times: 1 });
  dead[Symbol.dispose]();
  shared.dropWorker(1);
  await waiting.says("done");
  assert.equal(new Int32Array(board)[0], 1);
});

Deno.test("where nobody can tell of the death, the lock is opened after a while", async () => {
  const shared = SharedState.create();
  const board = new SharedArrayBuffer(8);
  const { buffer } = shared;
  const dead = new LockWorker({ buffer, board, worker: 1, kind: "hang" });
  await dead.says("locked");
  dead[Symbol.dispose]();
  // This isolate is the one that would drop the worker.
  assert.equal(shared.locked(() => "mine"), "mine");
});

Deno.test("a lock that is taken from its holder is not opened by that one's end", async () => {
  const shared = SharedState.create();
  const board = new SharedArrayBuffer(8);
  const { buffer } = shared;
  using slow = new LockWorker({ buffer, board, worker: 1, kind: "hold", ms: 60_000 });
  await slow.says("locked");
  shared.dropWorker(1);
  using other = new LockWorker({ buffer, board, worker: 2, kind: "hold", ms: 60_000 });
  await other.says("locked");
  const words = new Int32Array(board);
  // Wakes the first one only, whose lock is now another's.
  Atomics.notify(words, 1, 1);
  await slow.says("done");
  using third = new LockWorker({ buffer, board, worker: 3, kind: "count", times: 1 });
  Atomics.notify(words, 1, 1);
  await other.says("done");
  await third.says("done");
  assert.equal(words[0], 1);
});
