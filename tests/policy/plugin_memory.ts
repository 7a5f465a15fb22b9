// A program of its own, since what it measures is the memory of a whole process: plugins that fill their
// memory again and again. Prints the megabytes before and after.

import { plugin } from "./plugin_stand.ts";

let now = 0;
const own = plugin(`const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1))`, {
  timeoutMs: 5000,
  now: () => now,
});
const rss = () => Deno.memoryUsage().rss / 1e6;

async function hog(): Promise<void> {
  now += 100_000;
  const fault = await own.call("prompt", 0).then(() => "none", ({ reason }) => reason);
  if (fault !== "too_large") throw new Error(`a plugin that takes all memory met: ${fault}`);
}

await hog();
await hog();
const before = rss();
for (let round = 0; round < 4; round++) await hog();
for (let tries = 0; rss() > before + 60 && tries < 50; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 100));
}
console.log(JSON.stringify({ before, after: rss() }));
own.close();
