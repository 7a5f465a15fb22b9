// What all workers of a process have booked, in memory of its own that they share: sums for each key and
// group by period, which budgets are compared with, and sums that are still to be written. A charge is
// one step under one lock, so that every worker sees the same figures at once, and what a worker has
// booked is not lost with it.

import { hashOf, HashTable } from "../../pool/memory/hash_table.ts";
import { IntCell, Layout } from "../../pool/memory/layout.ts";
import { Lock } from "../../pool/memory/lock.ts";
import { Amount, NUMBERS } from "./amount.ts";
import type { CounterName } from "./counter_name.ts";

/** Sums of keys and groups by period that are kept at once. */
const MAX_COUNTERS = 262_144;
/** Different rows that may be booked between two writes, and their names' length together. */
const MAX_ROWS = 8192;
const MAX_ROW_CHARS = 1_048_576;
/** Places that are looked at for one name. */
const REACH = 64;
/** While there is this much room, sums of the past are left alone: a clock may be set back. */
const CROWDED = 0.75;

/** A row and what was added to it. */
export interface Booked {
  readonly row: string;
  readonly amount: Amount;
}

/** Where charges of one kind are booked: made once, and used for each of them. */
export interface Posting {
  /** The row's name, and its hash. */
  readonly row: string;
  readonly hash: number;
  readonly counters: readonly CounterName[];
}

export class UsageMemory {
  readonly #lock: Lock;
  readonly #counters: Sums;
  readonly #keptUntil: Float64Array;
  readonly #rows: Sums;
  /** Where each row's name begins, and how long it is. */
  readonly #names: Int32Array;
  readonly #chars: Uint16Array;
  readonly #charCount: IntCell;

  static create(): UsageMemory {
    const { bytes } = measured();
    return new UsageMemory(new SharedArrayBuffer(bytes), 0);
  }

  /** Maps `buffer` for the worker with number `worker`. What is never used takes no memory. */
  constructor(readonly buffer: SharedArrayBuffer, worker: number, layout = new Layout(buffer)) {
    this.#lock = new Lock(layout, worker);
    this.#counters = new Sums(layout, MAX_COUNTERS);
    this.#keptUntil = layout.doubles(MAX_COUNTERS);
    this.#rows = new Sums(layout, MAX_ROWS);
    this.#names = layout.ints(MAX_ROWS * 2);
    this.#chars = layout.shorts(MAX_ROW_CHARS);
    this.#charCount = new IntCell(layout.ints(1), 0);
  }

  /**
   * Books `amount` in the row and in all counters, in one step. False where there is no room until the
   * rows were taken; nothing is booked then.
   */
  charge({ row, hash, counters }: Posting, amount: Amount, now: number): boolean {
    this.#lock.take();
    try {
      if (!this.#bookRow(row, hash, amount)) return false;
      for (let at = 0; at < counters.length; at++) this.#count(counters[at], amount, now);
      return true;
    } finally {
      this.#lock.open();
    }
  }

  /** Adds to counters alone: what others have booked. */
  count(changes: Iterable<readonly [CounterName, Amount]>, now: number): void {
    this.#lock.run(() => {
      for (const [counter, amount] of changes) this.#count(counter, amount, now);
    });
  }

  /** The sum of a counter; nothing for one that was never used. */
  read(name: string): Amount {
    const key = hashOf(name);
    return this.#lock.run(() => this.#counters.read(key));
  }

  /** Whether the counter with this hash has come to so many tokens, or so much money; null for any number. */
  hasReached(hash: number, tokens: number | null, cost: number | null): boolean {
    this.#lock.take();
    try {
      return this.#counters.hasReached(hash, tokens, cost);
    } finally {
      this.#lock.open();
    }
  }

  /** Takes all rows: they begin anew. */
  takeRows(): Booked[] {
    return this.#lock.run(() => {
      const booked: Booked[] = [];
      for (let index = 0; index < this.#rows.count; index++) {
        const [start, length] = [this.#names[index * 2], this.#names[index * 2 + 1]];
        const row = String.fromCharCode(...this.#chars.subarray(start, start + length));
        booked.push({ row, amount: this.#rows.at(index) });
      }
      this.#rows.clear();
      this.#charCount.value = 0;
      return booked;
    });
  }

  /** Opens the lock where a worker that died has held it. */
  dropWorker(worker: number): void {
    this.#lock.dropWorker(worker);
  }

  #bookRow(row: string, key: number, amount: Amount): boolean {
    let index = this.#rows.find(key);
    if (index < 0) {
      const start = this.#charCount.value;
      if (start + row.length > MAX_ROW_CHARS) return false;
      index = this.#rows.claim(key, () => false);
      if (index < 0) return false;
      for (let at = 0; at < row.length; at++) this.#chars[start + at] = row.charCodeAt(at);
      this.#names[index * 2] = start;
      this.#names[index * 2 + 1] = row.length;
      this.#charCount.value = start + row.length;
    }
    this.#rows.add(index, amount);
    return true;
  }

  #count({ hash, keptUntil }: CounterName, amount: Amount, now: number): void {
    let index = this.#counters.find(hash);
    if (index < 0) index = this.#claim(hash, now);
    // 60,000 keys and more in one process: those beyond have no budget that holds.
    if (index < 0) return;
    this.#keptUntil[index] = keptUntil;
    this.#counters.add(index, amount);
  }

  #claim(hash: number, now: number): number {
    const isCrowded = this.#counters.count > MAX_COUNTERS * CROWDED;
    return this.#counters.claim(hash, (other) => isCrowded && this.#keptUntil[other] < now);
  }
}

/** The layout without memory behind it, to know its size. */
function measured(): Layout {
  const layout = new Layout(null);
  new UsageMemory(new SharedArrayBuffer(0), 0, layout);
  return layout;
}

/**
 * Sums found by a key. They stand one behind the other, whatever their keys: few of them take little
 * memory, though there is room for many.
 */
class Sums {
  readonly #table: HashTable;
  /** The index of the sum at each place of the table, plus 1; 0 where there was none yet. */
  readonly #indices: Int32Array;
  readonly #numbers: Float64Array;
  readonly #count: IntCell;

  constructor(layout: Layout, private readonly size: number) {
    this.#table = new HashTable(layout, size * 2, REACH);
    this.#indices = layout.ints(size * 2);
    this.#numbers = layout.doubles(size * NUMBERS);
    this.#count = new IntCell(layout.ints(1), 0);
  }

  /** How many there are, those that were taken over left out. */
  get count(): number {
    return this.#count.value;
  }

  /** The index of the sum of `key`, or -1. */
  find(key: number): number {
    const place = this.#table.find(key);
    return place < 0 ? -1 : this.#indices[place] - 1;
  }

  /** The same, beginning at nothing; one whose index `isFree` gives way where there is need. -1 without room. */
  claim(key: number, isFree: (index: number) => boolean): number {
    const known = this.find(key);
    if (known >= 0) return known;
    const isFull = this.count >= this.size;
    const place = this.#table.claim(key, (other) => isFree(this.#indices[other] - 1));
    if (place < 0) return -1;
    if (this.#indices[place] === 0) {
      if (isFull) return -1;
      this.#count.value = this.count + 1;
      this.#indices[place] = this.count;
    }
    const index = this.#indices[place] - 1;
    this.#numbers.fill(0, index * NUMBERS, (index + 1) * NUMBERS);
    return index;
  }

  add(index: number, amount: Amount): void {
    amount.into(this.#numbers, index * NUMBERS);
  }

  at(index: number): Amount {
    return Amount.from(this.#numbers, index * NUMBERS);
  }

  read(key: number): Amount {
    const index = this.find(key);
    return index < 0 ? new Amount() : this.at(index);
  }

  hasReached(key: number, tokens: number | null, cost: number | null): boolean {
    const index = this.find(key);
    const used = index < 0 ? 0 : Amount.tokensAt(this.#numbers, index * NUMBERS);
    return tokens !== null && used >= tokens || cost !== null && this.read(key).reaches(cost);
  }

  clear(): void {
    if (this.count === 0) return;
    this.#table.clear();
    this.#indices.fill(0);
    this.#count.value = 0;
  }
}
