// The short form of `deno task soak`: memory that grew with each request would show here.

import assert from "node:assert/strict";
import { soak } from "./soak.ts";

const hasCompiler = await new Deno.Command("gcc", { args: ["--version"] }).output().then(
  ({ success }) => success,
  (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  },
);

Deno.test({
  name: "ten seconds of load leave nothing behind (needs gcc)",
  // The load generator is in C; CI installs the compiler.
  ignore: !hasCompiler,
  async fn() {
    const soaked = await soak(8, 50, 1, () => {});
    assert.equal(soaked.wrong, 0);
    assert.equal(soaked.inFlight, 0);
    assert.ok(soaked.answers > 500, `${soaked.answers} answers`);
    const { startMiB, endMiB, answers } = soaked;
    // A leak of 20 kB each would already be more; the engine's own heap moves by tens of MiB, however few
    // answers a busy machine has made.
    const most = Math.min(150, Math.max(60, answers * 20 / 1024));
    const said = `${startMiB} to ${endMiB} MiB with ${answers} answers`;
    assert.ok(endMiB < startMiB + most, said);
  },
});
