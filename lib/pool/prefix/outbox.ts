// Which chunks were sent where, for other gateways to hear of.

import type { Layout } from "../memory/layout.ts";
import { Ring } from "../memory/ring.ts";
import type { PromptChain } from "./chain.ts";
import type { PrefixSeed } from "./prefix_index.ts";

/** Notes of so many chunks wait; at 1,000 new prompts of 24 KB a second they last for 0.6 s. */
const PLACES = 32_768;
/** A slot and the two words of a hash. */
export const NOTE = 3;
/** Of chunks that the instance has already every fourth is told, so that others know them to be in use. */
const KNOWN_STEP = 4;

export class Outbox {
  readonly #ring: Ring;
  readonly #notes: Int32Array;

  constructor(layout: Layout) {
    this.#ring = new Ring(layout, PLACES);
    this.#notes = layout.ints(PLACES * NOTE);
  }

  get isOpen(): boolean {
    return this.#ring.isOpen;
  }

  /** From now on notes are kept, none of before. */
  open(): void {
    this.#ring.open();
  }

  close(): void {
    this.#ring.close();
  }

  /** The instance in `slot` is sent the prompt, of which it has the first `known` chunks. */
  note(slot: number, chain: PromptChain, seed: PrefixSeed, known: number): void {
    if (!this.isOpen) return;
    const last = chain.length - 1;
    for (let chunk = 0; chunk <= last; chunk++) {
      if (chunk < known && chunk % KNOWN_STEP !== KNOWN_STEP - 1 && chunk !== last) continue;
      const at = this.#ring.next() * NOTE;
      this.#notes[at] = slot;
      this.#notes[at + 1] = chain.lanes[2 * chunk] ^ seed.first;
      this.#notes[at + 2] = chain.lanes[2 * chunk + 1] ^ seed.second;
    }
  }

  /** What was noted since the last time, oldest first: slot and hash of each chunk. */
  take(): Int32Array<ArrayBuffer> {
    const { from, count } = this.#ring.take();
    const taken = new Int32Array(count * NOTE);
    const first = Math.min(count, PLACES - from);
    taken.set(this.#notes.subarray(from * NOTE, (from + first) * NOTE));
    taken.set(this.#notes.subarray(0, (count - first) * NOTE), first * NOTE);
    return taken;
  }
}
