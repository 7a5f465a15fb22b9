// The fuzzer as a command: `deno task fuzz --cases N --seed S --from I`. Ends with 1 at the first
// finding, printed with its bytes as hex and the number that repeats it, or when a case hangs.

import { parseArgs } from "node:util";
import { runCases } from "./cases.ts";

const HANG_MS = 10_000;
const REPORT_EVERY = 500_000;

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "10000000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    from: { type: "string", default: "0" },
  },
});
const cases = Number(values.cases);
const seed = Number(values.seed);
const from = Number(values.from);
console.log(`seed ${seed}, ${cases} cases from ${from}`);

const startedAt = performance.now();
let current = from;
let seen = -1;
const watchdog = setInterval(() => {
  if (current === seen) {
    console.error(`case ${current} of seed ${seed} hangs`);
    Deno.exit(1);
  }
  seen = current;
}, HANG_MS);

try {
  await runCases(seed, from, cases, (index) => {
    current = index;
    const done = index - from;
    if (done > 0 && done % REPORT_EVERY === 0) report(done);
  });
  report(cases);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.error(`again with: deno task fuzz --seed ${seed} --from ${current} --cases 1`);
  Deno.exitCode = 1;
} finally {
  clearInterval(watchdog);
}

function report(done: number): void {
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(
    `${done} cases, ${seconds.toFixed(0)} s, ${(seconds * 1e6 / done).toFixed(1)} µs each`,
  );
}
