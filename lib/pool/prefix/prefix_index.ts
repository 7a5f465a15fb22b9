// Which instance was sent which beginning of a prompt, and so probably still holds it: one flat table in the
// memory that workers share, of a fixed size, without lists and without clean-up. What a prompt's chunks are
// stands in chain.ts, when they count as evicted in ages.ts. Call it under the pool's lock.

import type { Layout } from "../memory/layout.ts";
import { Ages, STAMP_BITS } from "./ages.ts";
import type { PromptChain } from "./chain.ts";

/** Slots that fit beside a stamp in one word. */
const MAX_INDEXED_SLOTS = 2 ** (32 - STAMP_BITS) - 1;
/** Entries among which a chunk has its place. */
const WAYS = 4;
/** Unknown chunks in a row after which nothing deeper is looked for. */
const MOST_MISSED = 8;
/** A bucket is looked after for so many chunks that are noted. */
const CHUNKS_A_SWEEP = 16;

/** The words of an entry: two of the hash, when it was noted last, since when everybody has it, four owners. */
const ENTRY = 8;
const USED = 2;
const WIDE = 3;
const OWNER = 4;

const STAMPS = 2 ** STAMP_BITS - 1;

/** A chunk and who has it. */
export interface IndexEntry {
  readonly first: number;
  readonly second: number;
  readonly owners: readonly Owner[];
}

export interface Owner {
  readonly slot: number;
  /** In ticks of the slot's clock (ages.ts). */
  readonly age: number;
}

/** What is mixed into the hashes of a prompt, so that those of two models never meet. */
export interface PrefixSeed {
  readonly first: number;
  readonly second: number;
}

export class PrefixIndex {
  readonly ages: Ages;
  /** Slots from this on are not indexed. */
  readonly slots: number;
  readonly #entries: Int32Array;
  /** Notes so far, chunks since the last sweep, the bucket to sweep next, entries that gave way. */
  readonly #words: Int32Array;
  /** For each slot the number of the note at which it was forgotten last. */
  readonly #forgotten: Int32Array;
  readonly #buckets: number;
  /** For each slot its place among those that are asked for, plus 1. */
  readonly #asked: Uint16Array;
  /** Where the chunks of the chain that is matched stand; -1 for unknown ones. */
  #found = new Int32Array(64);

  /** `size` chunks (a power of two), and `usualCapacity` in chunks of an instance of which nothing is known. */
  constructor(layout: Layout, slots: number, readonly size: number, usualCapacity: number) {
    this.slots = Math.min(slots, MAX_INDEXED_SLOTS);
    this.ages = new Ages(layout, slots, usualCapacity);
    this.#words = layout.ints(4);
    this.#forgotten = layout.ints(slots);
    this.#entries = layout.ints(size * ENTRY);
    this.#buckets = size / WAYS;
    this.#asked = new Uint16Array(slots);
  }

  /** Entries that gave way to others while they were in use. */
  get replaced(): number {
    return this.#words[3];
  }

  /**
   * How many chunks of `chain` each of the first `count` of `slots` has, up to the deepest that is known: its
   * hash stands for all before it, so holes do not matter. Written to `out`, in the order of `slots`.
   */
  match(
    chain: PromptChain,
    seed: PrefixSeed,
    slots: ArrayLike<number>,
    out: Int32Array,
    count = slots.length,
  ): void {
    const asked = this.#asked;
    for (let k = 0; k < count; k++) {
      out[k] = 0;
      asked[slots[k]] = k + 1;
    }
    let left = count;
    // Backwards, until the deepest chunk of each is found.
    for (let depth = this.#findAll(chain, seed); depth > 0 && left > 0; depth--) {
      const at = this.#found[depth - 1];
      if (at >= 0) left -= this.#matchEntry(at, depth, slots, out, count);
    }
    for (let k = 0; k < count; k++) asked[slots[k]] = 0;
  }

  /** Finds the chain's entries, and returns how many of its chunks were looked for. */
  #findAll({ lanes, length }: PromptChain, seed: PrefixSeed): number {
    if (this.#found.length < length) this.#found = new Int32Array(2 * length);
    const found = this.#found;
    let chunk = 0;
    for (let missed = 0; chunk < length && missed < MOST_MISSED; chunk++) {
      const at = this.#find(lanes[2 * chunk] ^ seed.first, lanes[2 * chunk + 1] ^ seed.second);
      found[chunk] = at;
      missed = at >= 0 ? 0 : missed + 1;
    }
    return chunk;
  }

  /** Writes the depth to those that have the entry and nothing deeper, and returns how many these are. */
  #matchEntry(
    at: number,
    depth: number,
    slots: ArrayLike<number>,
    out: Int32Array,
    count: number,
  ): number {
    let matched = 0;
    for (let place = at + OWNER; place < at + ENTRY; place++) {
      const owner = this.#entries[place];
      if (owner === 0) continue;
      const slot = (owner >>> STAMP_BITS) - 1;
      const k = this.#asked[slot] - 1;
      if (k < 0 || out[k] > 0 || !this.ages.isLive(slot, owner & STAMPS)) continue;
      out[k] = depth;
      matched++;
    }
    if (this.#entries[at + WIDE] === 0) return matched;
    for (let k = 0; k < count; k++) {
      if (out[k] > 0 || !this.#isEverybodys(at, slots[k])) continue;
      out[k] = depth;
      matched++;
    }
    return matched;
  }

  /** Whether everybody has it, and got it after the slot was forgotten last. */
  #isEverybodys(at: number, slot: number): boolean {
    const wide = this.#entries[at + WIDE];
    return wide !== 0 && this.#since(wide) < this.#since(this.#forgotten[slot]);
  }

  /** Notes since the one of that number. */
  #since(note: number): number {
    return (this.#words[0] - note) >>> 0;
  }

  /** Notes that the instance in `slot` is sent the prompt. */
  add(slot: number, chain: PromptChain, seed: PrefixSeed): void {
    if (slot >= this.slots || chain.length === 0) return;
    // Zero stands for an entry that was never used.
    this.#words[0] = (this.#words[0] + 1) | 0 || 1;
    for (let chunk = 0; chunk < chain.length; chunk++) {
      this.#addChunk(
        slot,
        chain.lanes[2 * chunk] ^ seed.first,
        chain.lanes[2 * chunk + 1] ^ seed.second,
      );
    }
    this.#sweepFor(chain.length);
  }

  /** Another gateway has sent the instance in `slot` chunks of these hashes, two words each. */
  told(slot: number, hashes: Int32Array): void {
    if (slot >= this.slots || hashes.length === 0) return;
    this.#words[0] = (this.#words[0] + 1) | 0 || 1;
    for (let at = 0; at + 1 < hashes.length; at += 2) {
      this.#addChunk(slot, hashes[at], hashes[at + 1]);
    }
    this.#sweepFor(hashes.length / 2);
  }

  #addChunk(slot: number, first: number, second: number): void {
    let at = this.#find(first, second);
    if (at < 0) at = this.#claim(first, second);
    this.#entries[at + USED] = this.#words[0];
    const owner = ((slot + 1) << STAMP_BITS) | this.ages.stamp(slot);
    const place = this.#place(at, slot);
    if (this.#entries[place] === owner) return this.ages.again(slot);
    this.#release(place);
    this.#entries[place] = owner;
    this.ages.add(slot);
  }

  /** A fresh entry for a chunk, in place of another one where there is no room. */
  #claim(first: number, second: number): number {
    const at = this.#oldest(first);
    if (this.#entries[at + USED] !== 0) this.#words[3]++;
    for (let place = at + OWNER; place < at + ENTRY; place++) this.#release(place);
    this.#entries[at] = first;
    this.#entries[at + 1] = second;
    this.#entries[at + WIDE] = 0;
    return at;
  }

  /** Where in the entry `slot` is to stand: its own place, else the one of the weakest owner. */
  #place(at: number, slot: number): number {
    for (let place = at + OWNER; place < at + ENTRY; place++) {
      if ((this.#entries[place] >>> STAMP_BITS) - 1 === slot) return place;
    }
    let weakest = at + OWNER;
    let greatest = -1;
    for (let place = at + OWNER; place < at + ENTRY; place++) {
      const owner = this.#entries[place];
      const other = (owner >>> STAMP_BITS) - 1;
      const isOwned = owner !== 0 && this.ages.isLive(other, owner & STAMPS);
      const age = isOwned ? this.ages.age(other, owner & STAMPS) : owner === 0 ? 2 ** 31 : 2 ** 30;
      if (age <= greatest) continue;
      greatest = age;
      weakest = place;
    }
    // More owners than places: everybody has it.
    if (greatest < 2 ** 30) this.#entries[at + WIDE] = this.#words[0];
    return weakest;
  }

  /**
   * Takes back what was noted for the chunks from `from` on: the prompt did not get as far as to be
   * computed there.
   */
  takeBack(slot: number, chain: PromptChain, seed: PrefixSeed, from: number): void {
    for (let chunk = from; chunk < chain.length; chunk++) {
      const at = this.#find(
        chain.lanes[2 * chunk] ^ seed.first,
        chain.lanes[2 * chunk + 1] ^ seed.second,
      );
      if (at < 0) continue;
      for (let place = at + OWNER; place < at + ENTRY; place++) {
        if ((this.#entries[place] >>> STAMP_BITS) - 1 === slot) this.#release(place);
      }
    }
  }

  /** The instance in `slot` has lost its cache, or is another one now. */
  forget(slot: number): void {
    if (slot >= this.slots) return;
    this.ages.forget(slot);
    this.#forgotten[slot] = this.#words[0];
  }

  /** The entry of a chunk, or -1. */
  #find(first: number, second: number): number {
    const bucket = this.#bucket(first);
    for (let at = bucket; at < bucket + WAYS * ENTRY; at += ENTRY) {
      if (
        this.#entries[at] === first && this.#entries[at + 1] === second &&
        this.#entries[at + USED] !== 0
      ) return at;
    }
    return -1;
  }

  #bucket(first: number): number {
    return ((first ^ (first >>> 15)) & (this.#buckets - 1)) * WAYS * ENTRY;
  }

  /** The entry that gives way: one that was never used, else the one noted longest ago. */
  #oldest(first: number): number {
    const bucket = this.#bucket(first);
    let oldest = bucket;
    let greatest = -1;
    for (let at = bucket; at < bucket + WAYS * ENTRY; at += ENTRY) {
      const used = this.#entries[at + USED];
      if (used === 0) return at;
      const age = this.#since(used);
      if (age <= greatest) continue;
      greatest = age;
      oldest = at;
    }
    return oldest;
  }

  #release(place: number): void {
    const owner = this.#entries[place];
    if (owner === 0) return;
    this.ages.remove((owner >>> STAMP_BITS) - 1, owner & STAMPS);
    this.#entries[place] = 0;
  }

  #sweepFor(chunks: number): void {
    this.#words[1] += chunks;
    for (; this.#words[1] >= CHUNKS_A_SWEEP; this.#words[1] -= CHUNKS_A_SWEEP) this.#sweep();
  }

  /** Drops owners whose stamps are too old in one bucket, long before the clocks have gone round. */
  #sweep(): void {
    const bucket = this.#words[2];
    this.#words[2] = (bucket + 1) % this.#buckets;
    for (let at = bucket * WAYS * ENTRY; at < (bucket + 1) * WAYS * ENTRY; at += ENTRY) {
      let owners = 0;
      for (let place = at + OWNER; place < at + ENTRY; place++) {
        const owner = this.#entries[place];
        if (owner === 0) continue;
        if (this.ages.isLive((owner >>> STAMP_BITS) - 1, owner & STAMPS)) owners++;
        else this.#entries[place] = 0;
      }
      // It ages with the last of those that are named.
      if (owners === 0) this.#entries[at + WIDE] = 0;
    }
  }

  /** The entries that count, the newest owners among them. */
  *entries(): Generator<IndexEntry> {
    for (let at = 0; at < this.#entries.length; at += ENTRY) {
      const owners: Owner[] = [];
      for (let place = at + OWNER; place < at + ENTRY; place++) {
        const slot = (this.#entries[place] >>> STAMP_BITS) - 1;
        const stamp = this.#entries[place] & STAMPS;
        if (slot < 0 || !this.ages.isLive(slot, stamp)) continue;
        owners.push({ slot, age: this.ages.age(slot, stamp) });
      }
      if (owners.length === 0) continue;
      yield { first: this.#entries[at], second: this.#entries[at + 1], owners };
    }
  }

  /** Puts an entry of before back; the clocks of its slots have been set back (ages.ts). */
  restore({ first, second, owners }: IndexEntry): void {
    this.#words[0] = (this.#words[0] + 1) | 0 || 1;
    for (const { slot, age } of owners) {
      if (slot >= this.slots) continue;
      let at = this.#find(first, second);
      if (at < 0) at = this.#claim(first, second);
      const place = this.#place(at, slot);
      this.#release(place);
      this.#entries[at + USED] = this.#words[0];
      this.#entries[place] = ((slot + 1) << STAMP_BITS) | this.ages.restore(slot, age);
    }
  }
}
