// What is unusually long to wait for, how often a second instance is asked, and who wins: without sockets.

import assert from "node:assert/strict";
import type { Attempt } from "../../lib/forward/attempt.ts";
import type { Proof } from "../../lib/forward/attempt/proof.ts";
import { DeadlineClock } from "../../lib/forward/deadline.ts";
import { Hedging } from "../../lib/forward/hedge/hedging.ts";
import { Race, type RaceParts } from "../../lib/forward/hedge/race.ts";
import { UsualWaits } from "../../lib/forward/hedge/usual_waits.ts";
import type { Instance } from "../../lib/pool/instance.ts";
import { Roster } from "../../lib/pool/roster.ts";

Deno.test("a wait is long by what is usual for the model and the size of the request", () => {
  const waits = new UsualWaits(new Roster(), { unknownMs: 5000, leastMs: 2000 });
  assert.equal(waits.limitMs("m", 500), 5000, "nothing is known");
  for (let n = 0; n < 30; n++) {
    waits.came("m", 500, 100 + (n % 3));
    waits.came("m", 60_000, 3000 + 100 * (n % 3));
  }
  assert.equal(waits.limitMs("m", 500), 2000, "never impatient");
  const long = waits.limitMs("m", 60_000);
  assert.ok(long > 9000 && long < 10_000, `${long}`);
  assert.equal(waits.limitMs("m", 30_000), long, "a smaller one takes no longer than a larger one");
  assert.ok(waits.limitMs("m", 1_000_000) >= 8 * long, "a larger one may take so much longer");
  assert.equal(waits.limitMs("other", 500), 5000);
});

Deno.test("waits that vary are borne for longer, and what is usual follows the fleet", () => {
  const waits = new UsualWaits(new Roster(), { unknownMs: 5000, leastMs: 2000 });
  for (let n = 0; n < 100; n++) waits.came("m", 500, n % 2 === 0 ? 200 : 2200);
  assert.ok(waits.limitMs("m", 500) > 6000, `${waits.limitMs("m", 500)}`);
  for (let n = 0; n < 200; n++) waits.came("m", 500, 200);
  assert.equal(waits.limitMs("m", 500), 2000);
});

/** An instance that got on last at `lastProgress`. */
const instance = (lastProgress: number) => ({ lastProgress, config: { id: "a" } }) as Instance;

Deno.test("at most one in twenty requests is asked for twice, and a few at once", () => {
  const hedging = new Hedging(new Roster(), () => {});
  let made = 0;
  for (let n = 0; n < 1000; n++) {
    hedging.budget.deposit();
    while (hedging.budget.isLeft) {
      hedging.budget.withdraw();
      made++;
    }
  }
  assert.ok(made >= 49 && made <= 53, `${made}`);
});

Deno.test("an instance is hung when it was mute in three requests without a sign of life between", () => {
  const hung: string[] = [];
  const hedging = new Hedging(new Roster(), (_, message) => hung.push(message));
  for (const progressAt of [5, 5, 6, 6]) hedging.wasMute(instance(progressAt), 2);
  assert.deepEqual(hung, []);
  hedging.wasMute(instance(6), 2.04);
  assert.deepEqual(hung, ["nothing came of 3 requests, of the last one for 2.0 s"]);
});

/** An attempt that proves what a test says, when it says. */
class Fake {
  readonly #proof = Promise.withResolvers<Proof>();
  isDisposed = false;
  prove(): Promise<Proof> {
    return this.#proof.promise;
  }
  proves(proof: Proof): void {
    this.#proof.resolve(proof);
  }
  breaks(): void {
    this.#proof.reject(new Error("ended by the gateway"));
  }
  [Symbol.dispose](): void {
    this.isDisposed = true;
  }
}

const YES = { kind: "whole" } as Proof;
const NO = { kind: "failed" } as Proof;

function race(more: Partial<RaceParts> = {}) {
  const clock = new DeadlineClock();
  const [first, second] = [new Fake(), new Fake()];
  const asked = Promise.withResolvers<void>();
  const failed: Attempt[] = [];
  const outrun: [Fake, Fake][] = [];
  const run = new Race(first as unknown as Attempt, {
    clock,
    silenceMs: 60,
    beside: () => {
      asked.resolve();
      return second as unknown as Attempt;
    },
    failed: (one) => void failed.push(one),
    outrun: (loser, winner) =>
      void outrun.push([loser as unknown as Fake, winner as unknown as Fake]),
    ...more,
  });
  return { run, first, second, asked: asked.promise, failed, outrun, clock };
}

Deno.test("one that answers in time is alone", async () => {
  const { run, first, clock } = race({ beside: () => assert.fail("nobody is asked") });
  const proved = run.proved();
  first.proves(YES);
  assert.equal((await proved).proof, YES);
  clock.close();
});

Deno.test("the first that proves something has the request, the other is outrun, whatever it does then", async () => {
  for (const winner of ["first", "second"] as const) {
    const s = race();
    const loser = winner === "first" ? "second" : "first";
    const proved = s.run.proved();
    await s.asked;
    s[winner].proves(YES);
    const { attempt } = await proved;
    assert.equal(attempt, s[winner] as unknown as Attempt);
    assert.deepEqual(s.outrun, [[s[loser], s[winner]]]);
    s[loser].breaks();
    s.run[Symbol.dispose]();
    assert.ok(s.first.isDisposed && s.second.isDisposed);
    s.clock.close();
  }
});

Deno.test("of two that answer at once one has it, and one is outrun", async () => {
  const s = race();
  const proved = s.run.proved();
  await s.asked;
  s.first.proves(YES);
  s.second.proves(YES);
  await proved;
  assert.equal(s.outrun.length, 1);
  s.clock.close();
});

Deno.test("one that fails leaves the other its time; where both fail, both are told", async () => {
  for (const [early, late] of [["first", "second"], ["second", "first"]] as const) {
    const s = race();
    const proved = s.run.proved();
    await s.asked;
    s[early].proves(NO);
    await Promise.resolve();
    s[late].proves(NO);
    const { attempt, proof } = await proved;
    assert.equal(attempt, s[late] as unknown as Attempt);
    assert.equal(proof.kind, "failed");
    assert.deepEqual(s.failed.map((one) => one as unknown as Fake), [s[early]]);
    assert.equal(s.outrun.length, 0);
    s.clock.close();
  }
});

Deno.test("where nobody can be asked now it is looked again", async () => {
  let looks = 0;
  const second = new Fake();
  const s = race({ beside: () => ++looks === 2 ? second as unknown as Attempt : null });
  const proved = s.run.proved();
  second.proves(YES);
  assert.equal((await proved).attempt, second as unknown as Attempt);
  assert.equal(looks, 2);
  s.clock.close();
});
