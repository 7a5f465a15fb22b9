// Which chunks were sent where, for other gateways to hear of: a ring in the memory that workers share, into
// which all of them write and from which the main isolate takes. Under the pool's lock. Closed it costs
// nothing; a reader that is late loses the oldest.

import type { Layout } from "../memory/layout.ts";
import type { PromptChain } from "./chain.ts";
import type { PrefixSeed } from "./prefix_index.ts";

/** Notes of so many chunks wait; at 1,000 new prompts of 24 KB a second they last for 0.6 s. */
const PLACES = 32_768;
/** A slot and the two words of a hash. */
export const NOTE = 3;
/** Of chunks that the instance has already every fourth is told, so that others know them to be in use. */
const KNOWN_STEP = 4;

const OPEN = 0;
const WRITTEN = 1;
const TAKEN = 2;

export class Outbox {
  readonly #state: Int32Array;
  readonly #notes: Int32Array;

  constructor(layout: Layout) {
    this.#state = layout.ints(3);
    this.#notes = layout.ints(PLACES * NOTE);
  }

  get isOpen(): boolean {
    return this.#state[OPEN] === 1;
  }

  /** From now on notes are kept, none of before. */
  open(): void {
    this.#state[TAKEN] = this.#state[WRITTEN];
    this.#state[OPEN] = 1;
  }

  close(): void {
    this.#state[OPEN] = 0;
  }

  /** The instance in `slot` is sent the prompt, of which it has the first `known` chunks. */
  note(slot: number, chain: PromptChain, seed: PrefixSeed, known: number): void {
    if (!this.isOpen) return;
    const last = chain.length - 1;
    for (let chunk = 0; chunk <= last; chunk++) {
      if (chunk < known && chunk % KNOWN_STEP !== KNOWN_STEP - 1 && chunk !== last) continue;
      const at = ((this.#state[WRITTEN] >>> 0) % PLACES) * NOTE;
      this.#notes[at] = slot;
      this.#notes[at + 1] = chain.lanes[2 * chunk] ^ seed.first;
      this.#notes[at + 2] = chain.lanes[2 * chunk + 1] ^ seed.second;
      this.#state[WRITTEN]++;
    }
  }

  /** What was noted since the last time, oldest first: slot and hash of each chunk. */
  take(): Int32Array<ArrayBuffer> {
    const written = this.#state[WRITTEN];
    const count = Math.min(PLACES, (written - this.#state[TAKEN]) >>> 0);
    this.#state[TAKEN] = written;
    const taken = new Int32Array(count * NOTE);
    const from = ((written - count) >>> 0) % PLACES;
    const first = Math.min(count, PLACES - from);
    taken.set(this.#notes.subarray(from * NOTE, (from + first) * NOTE));
    taken.set(this.#notes.subarray(0, (count - first) * NOTE), first * NOTE);
    return taken;
  }
}
