// Tests plugins in isolates of their own: whatever they do, the caller has an answer in time and the process
// its memory back.

import assert from "node:assert/strict";
import { join } from "node:path";
import { GuardFault } from "../../lib/policy/guard/verdict.ts";
import { ROOT } from "../support/processes.ts";
import { oneOf, waitFor } from "../support/wait.ts";
import { Plugin } from "../../lib/policy/plugin/plugin.ts";
import { MODULE, plugin } from "./plugin_stand.ts";

async function faultOf(work: Promise<unknown>): Promise<GuardFault> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof GuardFault, String(error));
    return error;
  }
  assert.fail("no fault");
}

/** Asks until it answers: on a busy machine its isolate has no turn within so short a time. */
async function passes(own: Plugin): Promise<void> {
  await waitFor(async () => {
    try {
      assert.equal(await own.call("prompt", 0), "pass");
      return true;
    } catch (error) {
      if (error instanceof GuardFault && /timeout|error|busy/.test(error.reason)) return false;
      throw error;
    }
  }, "an answer");
}

Deno.test("a plugin answers from its isolate, one call after the other", async () => {
  const own = plugin(`return { action: "flag", message: input.text }`, { timeoutMs: 30_000 });
  try {
    assert.deepEqual(await own.load(), ["prompt"]);
    const answers = await Promise.all(
      ["a", "中\ud83d\ude00", "c"].map((text) => own.call("prompt", { text })),
    );
    assert.deepEqual(answers.map((answer) => (answer as { message: string }).message), [
      "a",
      "中\ud83d\ude00",
      "c",
    ]);
  } finally {
    own.close();
  }
});

Deno.test("58: a plugin that loops costs nobody more than its time, and is out after five overruns", async () => {
  let now = 0;
  const own = plugin(`if (input === 1) for (;;); return "pass"`, { timeoutMs: 50, now: () => now });
  try {
    await own.load();
    // One that its isolate had no turn for is late, which is no overrun of the plugin's.
    let calls = 0;
    await waitFor(async () => {
      if (own.isOut) return true;
      const { reason } = await faultOf(own.call("prompt", 1));
      assert.match(reason, /timeout|error|busy|out/);
      if (reason !== "out") calls++;
      now += 100;
      return own.isOut;
    }, "it to be out");
    assert.ok(calls >= 5, `out after ${calls} calls`);
    assert.equal((await faultOf(own.call("prompt", 0))).reason, "out");
    now += 60_000;
    await passes(own);
  } finally {
    own.close();
  }
});

Deno.test("58: calls in line behind one that loops fail in time, as one overrun", async () => {
  const own = plugin(`if (input === 1) for (;;); return "pass"`, { timeoutMs: 100 });
  try {
    await own.load();
    const calls = [1, 0, 0, 0, 0, 0, 0].map((input) => faultOf(own.call("prompt", input)));
    for (const fault of await Promise.all(calls)) assert.match(fault.reason, /timeout|error|busy/);
    assert.equal(own.isOut, false);
    await passes(own);
  } finally {
    own.close();
  }
});

Deno.test("58: the loop that serves others runs on while a plugin loops or allocates", () =>
  oneOf(3, runsOn));

async function runsOn(): Promise<void> {
  const own = plugin(
    `const all = []; if (input === 1) for (;;); for (;;) all.push("x".repeat(100000) + all.length)`,
    { timeoutMs: 200 },
  );
  let turns = 0;
  const ticks = setInterval(() => turns++, 5);
  try {
    await own.load();
    for (const input of [1, 2]) {
      const before = turns;
      await faultOf(own.call("prompt", input));
      // In the plugin's own isolate the loop would have had no turn at all.
      assert.ok(turns - before >= 2, `the loop had ${turns - before} turns`);
    }
  } finally {
    clearInterval(ticks);
    own.close();
  }
}

Deno.test("58: memory that plugins took comes back", async () => {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", join(ROOT, "tests/policy/plugin_memory.ts")],
  }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  const { before, after } = JSON.parse(new TextDecoder().decode(stdout));
  assert.ok(after < before + 60, `${before} MB before, ${after} MB after`);
});

Deno.test("a file that cannot be loaded says why, and may be mended", async () => {
  const own = plugin(`return 1`);
  const broken = new Plugin({
    module: MODULE,
    script: "throw new Error('no')",
    file: "b.ts",
    timeoutMs: 50,
  });
  try {
    assert.match((await faultOf(broken.load())).message, /no/);
    assert.match((await faultOf(broken.call("prompt", 0))).message, /no/);
  } finally {
    own.close();
    broken.close();
  }
});
