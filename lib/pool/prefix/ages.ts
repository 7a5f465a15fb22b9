// How old what an instance was sent is, in chunks and not in seconds: a cache forgets by what comes after.
// Each slot has a clock that ticks with the chunks it is sent, and a tail: what is older counts as evicted.
// So a whole prompt ages together, and an instance is forgotten by moving its tail. Under the pool's lock.

import type { Layout } from "../memory/layout.ts";

/** Bits of a stamp in the index; the clocks go round. */
export const STAMP_BITS = 22;
const STAMPS = 2 ** STAMP_BITS - 1;
/** Ticks that may lie between a slot's clock and its tail. */
const TICKS = 1024;
/** Ticks in which an instance's whole capacity is sent. */
const TICKS_OF_CAPACITY = 64;
/** A tick is never shorter, so that the clock takes long to go round … */
const LEAST_CHUNKS = 16;
/** … and never longer, so that its chunks can be counted. */
const MOST_CHUNKS = 32_768;

export class Ages {
  readonly #ticks: Int32Array;
  readonly #tails: Int32Array;
  /** Chunks sent since the last tick. */
  readonly #sent: Int32Array;
  /** Chunks with a stamp from the tail on. */
  readonly #held: Int32Array;
  /** 0 for the usual one. */
  readonly #capacities: Int32Array;
  /** Chunks of each tick, a row for each slot. */
  readonly #counts: Uint16Array;

  constructor(layout: Layout, slots: number, private readonly usualCapacity: number) {
    this.#ticks = layout.ints(slots);
    this.#tails = layout.ints(slots);
    this.#sent = layout.ints(slots);
    this.#held = layout.ints(slots);
    this.#capacities = layout.ints(slots);
    this.#counts = layout.shorts(slots * TICKS);
  }

  /** The stamp of what is sent now. */
  stamp(slot: number): number {
    return this.#ticks[slot];
  }

  /** Whether what has this stamp still counts. */
  isLive(slot: number, stamp: number): boolean {
    const tail = this.#tails[slot];
    return ((stamp - tail) & STAMPS) <= ((this.#ticks[slot] - tail) & STAMPS);
  }

  /** Ticks since the stamp. */
  age(slot: number, stamp: number): number {
    return (this.#ticks[slot] - stamp) & STAMPS;
  }

  /** Chunks that the slot's instance is taken to hold. */
  held(slot: number): number {
    return this.#held[slot];
  }

  capacity(slot: number): number {
    return this.#capacities[slot] || this.usualCapacity;
  }

  /** How many chunks fit into the cache of the slot's instance. */
  setCapacity(slot: number, chunks: number): void {
    this.#capacities[slot] = Math.max(LEAST_CHUNKS, Math.round(chunks));
    this.#trim(slot);
  }

  /** The slot's next instance says how much fits into its own. */
  clearCapacity(slot: number): void {
    this.#capacities[slot] = 0;
  }

  /** One more chunk with the stamp of now. */
  add(slot: number): void {
    this.#held[slot]++;
    this.#counts[slot * TICKS + this.#ticks[slot] % TICKS]++;
    if (++this.#sent[slot] >= this.#chunksOfTick(slot)) this.advance(slot);
    this.#trim(slot);
  }

  /** A chunk that has the stamp of now was sent once more. */
  again(slot: number): void {
    if (++this.#sent[slot] >= this.#chunksOfTick(slot)) this.advance(slot);
  }

  #chunksOfTick(slot: number): number {
    const chunks = this.capacity(slot) / TICKS_OF_CAPACITY;
    return Math.min(MOST_CHUNKS, Math.max(LEAST_CHUNKS, chunks));
  }

  /** A chunk with this stamp is no longer the slot's. */
  remove(slot: number, stamp: number): void {
    if (!this.isLive(slot, stamp)) return;
    const at = slot * TICKS + stamp % TICKS;
    // Never below zero, whatever a worker left behind that died in here.
    if (this.#counts[at] > 0) this.#counts[at]--;
    if (this.#held[slot] > 0) this.#held[slot]--;
  }

  /** Nothing that was sent before counts any more. */
  forget(slot: number): void {
    this.#ticks[slot] = this.#tails[slot] = (this.#ticks[slot] + 1) & STAMPS;
    this.#sent[slot] = this.#held[slot] = 0;
    this.#counts.fill(0, slot * TICKS, (slot + 1) * TICKS);
  }

  /** A chunk of before comes back at its age, in ticks; the stamp that it gets. */
  restore(slot: number, age: number): number {
    const tick = this.#ticks[slot];
    const stamp = (tick - Math.min(age, TICKS - 1)) & STAMPS;
    if (!this.isLive(slot, stamp)) this.#tails[slot] = stamp;
    this.#held[slot]++;
    this.#counts[slot * TICKS + stamp % TICKS]++;
    return stamp;
  }

  /** The clock ticks. */
  advance(slot: number): void {
    this.#sent[slot] = 0;
    this.#ticks[slot] = (this.#ticks[slot] + 1) & STAMPS;
    if (this.age(slot, this.#tails[slot]) >= TICKS) this.#drop(slot);
    this.#counts[slot * TICKS + this.#ticks[slot] % TICKS] = 0;
  }

  #trim(slot: number): void {
    const capacity = this.capacity(slot);
    while (this.#held[slot] > capacity && this.#tails[slot] !== this.#ticks[slot]) this.#drop(slot);
  }

  #drop(slot: number): void {
    const at = slot * TICKS + this.#tails[slot] % TICKS;
    this.#held[slot] = Math.max(0, this.#held[slot] - this.#counts[at]);
    this.#counts[at] = 0;
    this.#tails[slot] = (this.#tails[slot] + 1) & STAMPS;
  }
}
