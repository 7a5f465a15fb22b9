import assert from "node:assert/strict";
import { Pace } from "../../lib/forward/pace.ts";

/** A pace whose world stands still between two calls. */
function startPace({ streams }: { streams: number }) {
  const bodies = new Map<number, () => void>();
  let lagMs = 0;
  const told: boolean[] = [];
  const pace = new Pace({
    saturated: (is) => told.push(is),
    lagMs: () => Promise.resolve(lagMs),
    every(body, ms) {
      assert.ok(!bodies.has(ms), "one timer of a kind");
      bodies.set(ms, body);
      return () => bodies.delete(ms);
    },
  });
  for (let n = 0; n < streams; n++) pace.begin();
  return {
    pace,
    told,
    /** Looks `times` times at a loop that is `late` behind. */
    async look(late: number, times = 1): Promise<void> {
      lagMs = late;
      for (let n = 0; n < times; n++) {
        bodies.get(50)?.();
        await Promise.resolve();
        await Promise.resolve();
      }
    },
    tick(times = 1): void {
      for (let n = 0; n < times; n++) bodies.get(10)?.();
    },
    get timers(): number[] {
      return [...bodies.keys()];
    },
  };
}

/** Whether it is over by now. */
async function isOver(rest: Promise<void> | null): Promise<boolean> {
  let over = false;
  rest!.then(() => over = true);
  await Promise.resolve();
  return over;
}

Deno.test("where there is room nothing rests, and few streams are not looked at", async () => {
  const many = startPace({ streams: 100 });
  await many.look(19, 10);
  assert.equal(many.pace.rest(100), null);
  const few = startPace({ streams: 63 });
  assert.deepEqual(few.timers, []);
  few.pace.begin();
  assert.deepEqual(few.timers, [50]);
  few.pace.end();
  assert.deepEqual(few.timers, []);
});

Deno.test("streams rest longer while the loop is late, up to 80 ms, and less once it is early", async () => {
  const at = startPace({ streams: 100 });
  await at.look(300);
  assert.equal(at.pace.rest(100), null, "one late look is a chance");
  await at.look(300);
  const rest = at.pace.rest(100);
  at.tick();
  assert.equal(await isOver(rest), false);
  at.tick();
  assert.equal(await isOver(rest), true);
  await at.look(300, 40);
  const longest = at.pace.rest(100);
  at.tick(7);
  assert.equal(await isOver(longest), false);
  at.tick();
  assert.equal(await isOver(longest), true);
  // Neither late nor early: it stays.
  await at.look(12, 40);
  await at.look(1, 16);
  const shorter = at.pace.rest(100);
  at.tick(7);
  assert.equal(await isOver(shorter), true);
  await at.look(1, 16 * 7);
  assert.equal(at.pace.rest(100), null);
  assert.deepEqual(at.timers, [50], "nothing ticks any more");
  assert.deepEqual(at.told, [true, false]);
});

Deno.test("a read that brought much is followed by the next at once", async () => {
  const { pace, look } = startPace({ streams: 100 });
  await look(300, 2);
  assert.equal(pace.rest(4096), null);
  assert.notEqual(pace.rest(4095), null);
});

Deno.test("whoever rests goes on when there is room, and when the others have ended", async () => {
  const at = startPace({ streams: 64 });
  await at.look(300, 8);
  const rests = [0, 3, 7].map((ticks) => {
    at.tick(ticks);
    return at.pace.rest(100);
  });
  at.pace.end();
  for (const rest of rests) assert.equal(await isOver(rest), true);
  assert.deepEqual(at.told, [true, false]);
  assert.deepEqual(at.timers, []);
  // A look that was under way then changes nothing.
  await Promise.resolve();
  assert.equal(at.pace.rest(100), null);
});

Deno.test("one that goes on and rests again does so for the next ticks", async () => {
  const at = startPace({ streams: 64 });
  await at.look(300, 2);
  let reads = 0;
  const stream = async () => {
    for (;;) {
      await at.pace.rest(100);
      reads += 1;
    }
  };
  stream();
  for (let n = 1; n <= 3; n++) {
    at.tick(2);
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.equal(reads, n);
  }
});
