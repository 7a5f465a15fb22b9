// `deno task fuzz:routing`: a table of a million chunks under prompts of every kind, for as long as is wanted.
// Its memory must not grow, its time a prompt must stay what it is, and its counts must stay sound.
//
//   deno task fuzz:routing --minutes 60 --seed 7
//
// Exit code 1 where something was broken; the seed that is printed brings it back.

import { parseArgs } from "node:util";
import { Router } from "../../lib/pool/balancing/router.ts";
import type { Placement } from "../../lib/pool/balancing/placement.ts";
import { USUAL_WEIGHTS } from "../../lib/pool/balancing/prefix_aware.ts";
import { PromptChain } from "../../lib/pool/prefix/chain.ts";
import { memoryOf } from "../pool/routing_stand.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
  },
});
const MINUTES = Number(values.minutes);
const INSTANCES = 48;
/** The model's numbers stand behind those of the instances. */
const MODEL_SLOT = 63;
const CAPACITY = 7812;
const LOOK_MS = 10_000;
/** So much of the time is given to the table to be filled. */
const FILLED = 0.4;
/** What may be gained after that, garbage apart: that is what the size of the process goes by. */
const MOST_GROWTH = 4 * 2 ** 20;

let state = Number(values.seed) >>> 0;
/** 32 random bits, the same for one seed. */
function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return (mixed ^ (mixed >>> 14)) >>> 0;
}
const below = (most: number) => random() % most;

const { memory, shared } = memoryOf({ indexChunks: 2 ** 20, capacity: CAPACITY });
let clock = 1000;
const model = { seed: { first: 5, second: 9 }, slot: MODEL_SLOT };
const router = new Router(memory, model, USUAL_WEIGHTS, () => clock);
memory.outbox.open();

const places = Array.from({ length: INSTANCES }, (_, slot) => ({
  slot,
  address: (slot + 1) * 7_919_000_003,
  weight: 1,
  warmth: 1,
  inFlight: 0,
  lastPick: 0,
}));
type Open = { placement: Placement; slot: number };
const open: Open[] = [];
/** Prompts that others go on from. */
const stems: Int32Array[] = [];

/** Goes on from one that was there, or begins anew. */
function prompt(): PromptChain {
  const stem = stems.length > 0 && below(4) > 0 ? stems[below(stems.length)] : new Int32Array(0);
  const kept = stem.length === 0 ? 0 : 2 * below(stem.length / 2 + 1);
  const lanes = new Int32Array(kept + 2 * below(below(50) === 0 ? 2000 : 60));
  lanes.set(stem.subarray(0, kept));
  for (let at = kept; at < lanes.length; at++) lanes[at] = random() | 0;
  if (stems.length < 2000) stems.push(lanes);
  else stems[below(stems.length)] = lanes;
  return new PromptChain(lanes, lanes.length * 256 + below(512));
}

function end({ placement, slot }: Open): void {
  const fate = below(10);
  if (fate > 1) placement.firstToken(clock);
  if (fate > 4) placement.usage(1 + below(20_000), fate > 6 ? below(20_000) : null);
  placement.ended((body) => body());
  if (below(20) === 0) placement.ended((body) => body());
  places[slot].inFlight--;
}

function step(): void {
  clock += below(20);
  const chain = prompt();
  const session = below(3) === 0 ? 1 + below(100_000) : 0;
  const { slot } = places[router.choose(places, chain, session)];
  places[slot].inFlight++;
  open.push({ placement: router.place(slot, chain, session), slot });
  while (open.length > 200 || (open.length > 0 && below(3) === 0)) {
    end(open.splice(below(open.length), 1)[0]);
  }
  switch (below(2000)) {
    case 0:
      return memory.restarted(below(INSTANCES));
    case 1:
      return memory.setCapacity(below(INSTANCES), 1 + below(2_000_000));
    case 2:
      return memory.index.ages.clearCapacity(below(INSTANCES));
    case 3:
      return memory.index.told(below(INSTANCES), prompt().lanes);
    case 4:
      return void memory.outbox.take();
  }
}

const faults: string[] = [];
const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** What must always be true. */
function look(): void {
  const { index, own } = memory;
  const { ages } = index;
  for (let slot = 0; slot < INSTANCES; slot++) {
    const [held, capacity] = [ages.held(slot), ages.capacity(slot)];
    // The tick of now is not dropped.
    if (held < 0 || held > capacity + Math.max(16, capacity / 64)) {
      faults.push(`slot ${slot} holds ${held} of ${capacity} chunks`);
    }
    const mine = open.filter((one) => one.slot === slot).length;
    if (own.unanswered(slot) < 0 || own.unanswered(slot) > mine) {
      faults.push(`slot ${slot} has ${own.unanswered(slot)} unanswered of ${mine}`);
    }
    if (own.pending(slot) < 0) faults.push(`slot ${slot}: ${own.pending(slot)} tokens pending`);
  }
  let entries = 0;
  for (const { owners } of index.entries()) {
    entries++;
    if (new Set(owners.map(({ slot }) => slot)).size < owners.length) faults.push("owners twice");
    if (owners.some(({ slot }) => slot >= INSTANCES)) faults.push("an owner that is none");
  }
  if (entries > index.size) faults.push(`${entries} entries of ${index.size}`);
}

console.log(`seed ${values.seed}, ${MINUTES} minutes, ${shared.byteLength} bytes of shared memory`);
const began = performance.now();
let prompts = 0;
let filled: number | null = null;
const gc = (globalThis as { gc?: () => void }).gc;
if (gc === undefined) throw new Error("start it with --v8-flags=--expose-gc");
while (performance.now() - began < MINUTES * 60_000 && faults.length === 0) {
  const from = performance.now();
  const before = prompts;
  while (performance.now() - from < LOOK_MS) {
    for (let n = 0; n < 500; n++) step();
    prompts += 500;
  }
  const us = (performance.now() - from) * 1000 / (prompts - before);
  look();
  // Looking leaves more garbage than all prompts.
  gc();
  const usage = Deno.memoryUsage();
  const held = usage.heapUsed + usage.external;
  if (performance.now() - began > FILLED * MINUTES * 60_000) filled ??= held;
  console.log(
    `${prompts} prompts, ${us.toFixed(1)} µs each, ${mib(held)} held, ${mib(usage.rss)} resident`,
  );
  if (filled !== null && held > filled + MOST_GROWTH) {
    faults.push(`what is held grew from ${mib(filled)} to ${mib(held)}`);
  }
}
for (const one of open.splice(0)) end(one);
for (let slot = 0; slot < INSTANCES; slot++) {
  if (memory.own.pending(slot) !== 0 || memory.own.unanswered(slot) !== 0) {
    faults.push(`slot ${slot} is not at rest`);
  }
}
look();
for (const fault of faults) console.error(fault);
console.log(faults.length === 0 ? "sound" : `${faults.length} faults, seed ${values.seed}`);
Deno.exit(faults.length === 0 ? 0 : 1);
