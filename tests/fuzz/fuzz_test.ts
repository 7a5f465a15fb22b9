// The fuzzer, bounded: the same cases in every run. `deno task fuzz` runs many more with a new seed.

import { runCases } from "./cases.ts";

Deno.test("20,000 fuzzed messages and streams mean the same for any split, and to a second parser", async () => {
  await runCases(1, 0, 20_000);
});
