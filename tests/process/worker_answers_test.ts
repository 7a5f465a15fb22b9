// Several may wait for the answers of one worker: each gets its own.

import assert from "node:assert/strict";
import { waitFor, within } from "../support/wait.ts";
import { Isolates, startPool } from "./scripted_workers.ts";

Deno.test("two who move streams off instances at a time get each the figures of their own", async () => {
  const isolates = new Isolates();
  const pool = await startPool(isolates, 1);
  const [worker] = isolates.events;
  const first = pool.move("a");
  const second = pool.move("b");
  worker.said({ kind: "moved", moved: { moved: 3, staying: 1 } });
  worker.said({ kind: "moved", moved: { moved: 5, staying: 0 } });
  assert.deepEqual(await first, { moved: 3, staying: 1 });
  assert.deepEqual(await second, { moved: 5, staying: 0 });
  const last = pool.move("a");
  worker.failed("it dies");
  assert.deepEqual(await last, { moved: 0, staying: 0 });
  await pool.close();
});

for (const end of ["drain", "hand_over"] as const) {
  Deno.test(`a worker is not ended by the end of its ${end} before it is closed`, async () => {
    const isolates = new Isolates();
    const pool = await startPool(isolates, 1);
    const [worker] = isolates.events;
    const ended = end === "drain" ? pool.drain() : pool.handOver();
    let isClosed = false;
    const closed = pool.close().then(() => isClosed = true);
    worker.said({ kind: "drained", by: end });
    await within(ended, `the end of the ${end}`);
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(isClosed, false, "its reports are on their way");
    worker.said({ kind: "drained", by: "close" });
    await closed;
    assert.deepEqual(isolates.said, [["start", end, "close"]]);
  });
}

Deno.test("a dashboard that looked on through a worker is let go of when the worker dies", async () => {
  let isLetGo = false;
  const body: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => {}),
      return() {
        isLetGo = true;
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
  const isolates = new Isolates();
  const pool = await startPool(isolates, 1, {
    admin: () => Promise.resolve({ status: 200, headers: [], body }),
  });
  const [worker] = isolates.events;
  const { port1, port2 } = new MessageChannel();
  const begun = new Promise((resolve) => port1.onmessage = resolve);
  const request = {
    method: "GET",
    target: "/",
    headers: [],
    body: new Uint8Array(),
    trusted: true,
  };
  worker.said({ kind: "admin", request, port: port2 });
  await begun;
  port1.postMessage({ kind: "next" });
  assert.equal(isLetGo, false);
  worker.failed("it dies");
  try {
    await waitFor(() => isLetGo, "the end of the stream", 2000);
  } finally {
    port1.close();
    port2.close();
    await pool.close();
  }
});
