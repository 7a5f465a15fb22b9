// Several may wait for the answers of one worker: each gets its own.

import assert from "node:assert/strict";
import { within } from "../support/wait.ts";
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
