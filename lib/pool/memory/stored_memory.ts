// Which instance keeps which stored response, and whose it is: a bounded memory, in which the old give way to the new.

import { hashOf, HashTable } from "./hash_table.ts";
import type { Layout } from "./layout.ts";

/** Responses that are remembered, about. */
const MAX_STORED = 16_384;
/** A response may stand at any of so many places; where all are taken, one in turn gives way. */
const REACH = 8;
/** So many of them wait for other gateways to hear of them: key, keeper and owner of each. */
const NEWS = 1024;
const NEWS_WORDS = 3;

/** What is known of one response: numbers that stand for it, for its instance and for whom it was made. */
export interface StoredEntry {
  readonly response: number;
  readonly keeper: number;
  readonly owner: number;
}

export class StoredMemory {
  readonly #table: HashTable;
  readonly #keepers: Float64Array;
  readonly #owners: Float64Array;
  readonly #turn: Int32Array;
  readonly #notes: Int32Array;
  /** The number of the note that each place has come by. */
  readonly #noted: Int32Array;
  readonly #news: Float64Array;
  /** News that were written, and those that were taken. */
  readonly #told: Int32Array;

  constructor(layout: Layout) {
    this.#table = new HashTable(layout, MAX_STORED, REACH);
    this.#keepers = layout.doubles(MAX_STORED);
    this.#owners = layout.doubles(MAX_STORED);
    this.#turn = layout.ints(1);
    this.#notes = layout.ints(1);
    this.#noted = layout.ints(MAX_STORED);
    this.#news = layout.doubles(NEWS * NEWS_WORDS);
    this.#told = layout.ints(2);
  }

  /** It was made by way of this gateway: others are to hear of it, too. */
  made(entry: StoredEntry): void {
    this.take(entry);
    const { response, keeper, owner } = entry;
    this.#news.set([response, keeper, owner], ((this.#told[0]++ >>> 0) % NEWS) * NEWS_WORDS);
  }

  /** Remembers which instance keeps it and whose it is; 0 stands for anyone. */
  take({ response: key, keeper, owner }: StoredEntry): void {
    let place = this.#table.claim(key, () => false);
    if (place < 0) place = this.#table.displace(key, Atomics.add(this.#turn, 0, 1) >>> 0);
    this.#keepers[place] = keeper;
    this.#owners[place] = owner;
    this.#noted[place] = ++this.#notes[0];
  }

  /** How often something was noted; goes round at 32 bits. */
  get notes(): number {
    return this.#notes[0];
  }

  /** What was noted after the note with this number, and is there still. */
  since(note: number): StoredEntry[] {
    const found: StoredEntry[] = [];
    const most = (this.#notes[0] - note) | 0;
    for (let place = 0; place < MAX_STORED; place++) {
      const response = this.#table.keyAt(place);
      const age = (this.#notes[0] - this.#noted[place]) | 0;
      if (response === 0 || age < 0 || age >= most) continue;
      found.push({ response, keeper: this.#keepers[place], owner: this.#owners[place] });
    }
    return found;
  }

  /** What was noted here since the last time, oldest first, the newest alone where it is too much. */
  takeNews(): StoredEntry[] {
    const count = Math.min(NEWS, (this.#told[0] - this.#told[1]) >>> 0);
    this.#told[1] = this.#told[0];
    return Array.from({ length: count }, (_, k) => {
      const at = ((this.#told[0] - count + k) >>> 0) % NEWS * NEWS_WORDS;
      const [response, keeper, owner] = this.#news.subarray(at, at + NEWS_WORDS);
      return { response, keeper, owner };
    });
  }

  /** The number of its keeper, or null when it is not known (any more). */
  keeperOf(responseId: string): number | null {
    const place = this.#table.find(hashOf(responseId));
    return place < 0 ? null : this.#keepers[place];
  }

  /** The number of its owner; 0 for anyone, null when it is not known (any more). */
  ownerOf(responseId: string): number | null {
    const place = this.#table.find(hashOf(responseId));
    return place < 0 ? null : this.#owners[place];
  }
}
