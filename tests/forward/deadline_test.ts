// Limits measure the other side, not the gateway's own loop.

import assert from "node:assert/strict";
import { Deadline, DeadlineClock } from "../../lib/forward/deadline.ts";
import { fairTimer } from "../../lib/machine/fair_timer.ts";
import { waitFor } from "../support/wait.ts";

/** Holds the loop up, as a garbage collection or a starved machine does. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

Deno.test("a limit that passes while the loop is held up leaves time to look at what came", async () => {
  const clock = new DeadlineClock();
  let expiredAt = 0;
  const deadline = new Deadline(() => expiredAt = performance.now());
  clock.add(deadline);
  deadline.at = clock.now + 400;
  await new Promise((resolve) => setTimeout(resolve, 60));
  block(1000);
  const freeAt = performance.now();
  await waitFor(() => expiredAt > 0, "the limit to pass at last");
  clock.close();
  assert.ok(expiredAt - freeAt > 200, `${expiredAt - freeAt} ms of looking`);
});

Deno.test("a limit that is put back after the loop was held up has not lost that time", async () => {
  let time = 0;
  const clock = new DeadlineClock(() => time);
  let expiredAt = 0;
  const deadline = new Deadline(() => expiredAt = time);
  clock.add(deadline);
  const answerBy = deadline.at = clock.now + 2000;
  const pass = (ms: number) => {
    const before = clock.now;
    time += ms;
    return waitFor(() => clock.now !== before, "a tick");
  };
  await pass(1000);
  // A piece that came meanwhile.
  deadline.at = answerBy;
  while (expiredAt === 0) await pass(200);
  clock.close();
  assert.ok(expiredAt >= 2950, `after ${expiredAt} ms`);
});

Deno.test("the clock goes on while there is no limit to watch", () => {
  let time = 0;
  const clock = new DeadlineClock(() => time);
  time = 300_000;
  assert.equal(clock.now, 300_000);
  const deadline = new Deadline(() => {});
  clock.add(deadline);
  time = 300_010;
  assert.equal(clock.now, 300_000, "as of the last tick");
  clock.close();
});

Deno.test("a limit passes when its time has come", async () => {
  const clock = new DeadlineClock();
  let expired = false;
  const deadline = new Deadline(() => expired = true);
  clock.add(deadline);
  deadline.at = clock.now + 150;
  const begun = performance.now();
  await waitFor(() => expired, "the limit to pass");
  clock.close();
  assert.ok(performance.now() - begun >= 145);
});

Deno.test("the limit for connecting does not count what the loop was held up", async () => {
  let expiredAt = 0;
  fairTimer(400, () => expiredAt = performance.now());
  await new Promise((resolve) => setTimeout(resolve, 20));
  block(1000);
  const freeAt = performance.now();
  await waitFor(() => expiredAt > 0, "the limit to pass at last");
  assert.ok(expiredAt - freeAt > 200, `${expiredAt - freeAt} ms of looking`);
});

Deno.test("a limit for connecting that was taken back does not pass", async () => {
  let expired = false;
  fairTimer(50, () => expired = true)();
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(!expired);
});
