import assert from "node:assert/strict";
import { BusyMeter, threadCpuMs } from "../../lib/machine/busy_meter.ts";

/** A meter whose time, work and timer are the test's. */
function stand() {
  const time = { cpuMs: 500, nowMs: 10_000 };
  let probe = () => {};
  const meter = new BusyMeter({
    cpuMs: () => time.cpuMs,
    now: () => time.nowMs,
    every: (body) => {
      probe = body;
      return () => {};
    },
  });
  return {
    meter,
    /** So many milliseconds pass, of which the thread works some; the timer, 50 ms, is called at the end. */
    pass(ms: number, workedMs: number, isCalled = true) {
      time.nowMs += ms;
      time.cpuMs += workedMs;
      if (isCalled) probe();
    },
  };
}

Deno.test("the share is the processor time of the time that passed since the last look", () => {
  const { meter, pass } = stand();
  for (let k = 0; k < 20; k++) pass(50, 35);
  assert.equal(meter.share(), 0.7);
  for (let k = 0; k < 80; k++) pass(50, 0);
  assert.equal(meter.share(), 0);
  assert.equal(meter.share(), 0, "no time has passed");
});

Deno.test("steps of the system's clock make no share above 1", () => {
  const { meter, pass } = stand();
  pass(12, 20, false);
  assert.equal(meter.share(), 1);
});

Deno.test("where others have the cores the share is how long timers are overdue", () => {
  const { meter, pass } = stand();
  // Due after 50 ms each, called after 200.
  for (let k = 0; k < 5; k++) pass(200, 40);
  assert.equal(meter.share(), 0.75);
  for (let k = 0; k < 20; k++) pass(52, 10);
  assert.ok(Math.abs(meter.share() - 10 / 52) < 1e-9, "a timer that is almost in time says little");
});

Deno.test("what is overdue while it is looked at counts in part before and in part after", () => {
  const { meter, pass } = stand();
  pass(100, 0, false);
  assert.equal(meter.share(), 0.5);
  pass(100, 0);
  assert.equal(meter.share(), 1);
  pass(50, 0);
  assert.equal(meter.share(), 0);
});

Deno.test({
  name: "only the thread that asks is measured",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const burns = `
      postMessage("burning");
      for (const until = performance.now() + 60_000; performance.now() < until;);
    `;
    const worker = new Worker(URL.createObjectURL(new Blob([burns])), { type: "module" });
    try {
      await new Promise((resolve) => worker.onmessage = resolve);
      const before = threadCpuMs()!;
      await new Promise((resolve) => setTimeout(resolve, 300));
      const waited = threadCpuMs()! - before;
      // What the process has used meanwhile is much more: another thread burns a core.
      assert.ok(waited <= 100, `${waited} ms of work while it waited`);
      while (threadCpuMs()! < before + waited + 50);
    } finally {
      worker.terminate();
    }
  },
});
