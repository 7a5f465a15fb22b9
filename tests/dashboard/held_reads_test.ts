// Looks at files that are slow: who comes beyond a bound is refused, who leaves makes room, in one isolate and where a
// worker hands questions on.

import assert from "node:assert/strict";
import { MAX_WAITING } from "../../lib/dashboard/read_queue.ts";
import { startFleet } from "../faults/fleet.ts";
import { waitFor, within } from "../support/wait.ts";
import { fillQueue, holdReads } from "./held_reads.ts";

for (const workers of [1, 2]) {
  Deno.test(`with ${workers} workers, who leaves makes room for others to look`, async () => {
    await using fleet = await startFleet({ config: { workers, admin: { local: true } } });
    const leaving = new AbortController();
    const staying = new AbortController();
    using reads = await holdReads(fleet);
    const first = await fillQueue(fleet, leaving.signal);
    assert.match(first.refused.headers.get("retry-after") ?? "", /^\d+$/);
    assert.equal((await first.refused.json()).error.type, "TooManyReadsError");
    const chat = await fleet.chat();
    assert.equal(chat.status, 200, await chat.text());
    leaving.abort();
    await Promise.allSettled(first.waiting);
    const asked: Promise<Response>[] = [];
    await waitFor(async () => {
      const { refused, waiting } = await fillQueue(fleet, staying.signal);
      await refused.text();
      asked.push(...waiting);
      return asked.length >= MAX_WAITING;
    }, "room for as many as had waited");
    reads[Symbol.dispose]();
    // One that came behind the first that was refused may have been refused later.
    const answers = await within(Promise.all(asked), "the answers");
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    const served = answers.filter(({ status }) => status === 200);
    assert.ok(served.length >= MAX_WAITING / 2, texts.join("\n"));
    assert.doesNotMatch(fleet.gateway.output(), /internal error|AbortError/);
  });
}
