// What a look at prompts costs of CPU time for each request: hashing, choosing, noting, saying why and giving
// back, by prefix_aware and by round_robin in turn.
//
//   deno run -A tests/bench/routing/cpu.ts

import { cpuUsage } from "node:process";
import { dialectOf } from "../../../lib/api/dialects.ts";
import type { Ask } from "../../../lib/pool/balancing/strategy.ts";
import { topLevelFields } from "../../../lib/server/json_fields.ts";
import { promptOf } from "../../../lib/server/prompt.ts";
import { any, FleetStand, weighted } from "../../pool/stand.ts";

const RUNS = 9;
const REQUESTS = 4000;
const encoder = new TextEncoder();

function bodyOf(bytes: number, n: number): Uint8Array {
  const messages = [
    { role: "system", content: "You are of help. ".repeat(Math.ceil(bytes / 17)).slice(0, bytes) },
    { role: "user", content: `question ${n}` },
  ];
  return encoder.encode(JSON.stringify({ model: "m", messages, stream: true }));
}

/** Where the prompt stands: reading that is the same for every strategy. */
function promptIn(body: Uint8Array) {
  const fields = topLevelFields(body, new Set(["messages", "tools", "model"]));
  const none = { value: () => undefined, list: () => null };
  return promptOf(body, fields, none, dialectOf("chat"));
}

function microseconds(stand: FleetStand, bodies: readonly Uint8Array[]): number {
  const prompts = bodies.map(promptIn);
  const before = cpuUsage();
  for (let n = 0; n < REQUESTS; n++) {
    const at = n % bodies.length;
    const chain = stand.pool.chainOf(bodies[at], prompts[at]);
    const ask: Ask = { model: "m", priority: 0, chain, answerTokens: 0, session: 0, rank: null };
    const lease = stand.pool.acquire(any, ask);
    if (lease === null || lease === "full") throw new Error("no lease");
    lease.progressed();
    lease.firstToken();
    lease.receipt?.short(1);
    lease.release("success");
  }
  const { user, system } = cpuUsage(before);
  return (user + system) / REQUESTS;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1];

for (const bytes of [100, 24_000]) {
  const bodies = Array.from({ length: 64 }, (_, n) => bodyOf(bytes, n));
  const stands = ["round_robin", "prefix_aware"].map((load_balancing_strategy) =>
    new FleetStand(weighted(Array(8).fill(1), { load_balancing_strategy }))
  );
  for (const stand of stands) microseconds(stand, bodies);
  const runs = Array.from(
    { length: RUNS },
    () => stands.map((stand) => microseconds(stand, bodies)),
  );
  const [plain, aware] = [0, 1].map((at) => median(runs.map((run) => run[at])));
  const more = median(runs.map(([one, other]) => other - one));
  console.log(
    `${bytes} bytes: round_robin ${plain.toFixed(1)} µs, prefix_aware ${aware.toFixed(1)} µs, ` +
      `${more.toFixed(1)} µs more`,
  );
}
