// The proof as a command: `deno task fuzz:policies --texts N --phrases N --seed S`. Word lists in two
// languages over generated texts, cut at random; ends with 1 where one was shown too early, held for
// nothing, or came out otherwise than as a body.

import { parseArgs } from "node:util";
import { runCases } from "./cases.ts";

const { values } = parseArgs({
  options: {
    texts: { type: "string", default: "10000" },
    phrases: { type: "string", default: "20000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    from: { type: "string", default: "0" },
  },
});
const [count, phraseCount, seed, from] = [values.texts, values.phrases, values.seed, values.from]
  .map(Number);
console.log(`seed ${seed}: ${phraseCount} phrases, ${count} texts from ${from}`);
const began = performance.now();
const { texts, events, found, leaks, falseHolds, differences, first } = runCases(seed, {
  phraseCount,
  from,
  count,
});
const seconds = Math.round((performance.now() - began) / 1000);
console.log(`${texts} texts in ${events} events, ${found} with something in them, ${seconds} s`);
console.log(`${leaks} leaks, ${falseHolds} false holds, ${differences} unlike their body`);
if (first !== null) {
  console.error(first);
  Deno.exitCode = 1;
}
