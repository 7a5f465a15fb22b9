// Which instance keeps which stored response: a bounded memory, in which the old give way to the new.

import { hashOf, HashTable } from "./hash_table.ts";
import type { Layout } from "./layout.ts";

/** Responses that are remembered, about. */
const MAX_STORED = 16_384;
/** A response may stand at any of so many places; where all are taken, one in turn gives way. */
const REACH = 8;

export class StoredMemory {
  readonly #table: HashTable;
  readonly #keepers: Float64Array;
  readonly #turn: Int32Array;

  constructor(layout: Layout) {
    this.#table = new HashTable(layout, MAX_STORED, REACH);
    this.#keepers = layout.doubles(MAX_STORED);
    this.#turn = layout.ints(1);
  }

  /** Remembers that `keeper` (a number that stands for an instance) has the response. */
  note(responseId: string, keeper: number): void {
    const key = hashOf(responseId);
    let place = this.#table.claim(key, () => false);
    if (place < 0) place = this.#table.displace(key, Atomics.add(this.#turn, 0, 1) >>> 0);
    this.#keepers[place] = keeper;
  }

  /** The number of its keeper, or null when it is not known (any more). */
  keeperOf(responseId: string): number | null {
    const place = this.#table.find(hashOf(responseId));
    return place < 0 ? null : this.#keepers[place];
  }
}
