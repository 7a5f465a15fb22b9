// Hands out pieces of the memory that all workers share, one after the other. Whoever owns an area asks
// for its views in its constructor, in the same order in every isolate; what they mean is its own affair.

/** A word that several workers count or agree on. */
export class IntCell {
  constructor(private readonly view: Int32Array, private readonly at: number) {}

  get value(): number {
    return Atomics.load(this.view, this.at);
  }
  set value(value: number) {
    Atomics.store(this.view, this.at, value);
  }

  /** The value after the change. */
  add(change: number): number {
    return Atomics.add(this.view, this.at, change) + change;
  }

  /** The value before. */
  swap(value: number): number {
    return Atomics.exchange(this.view, this.at, value);
  }
}

/** A double that is only read and written; the last one to write is right. */
export class DoubleCell {
  constructor(private readonly view: Float64Array, private readonly at: number) {}

  get value(): number {
    return this.view[this.at];
  }
  set value(value: number) {
    this.view[this.at] = value;
  }
}

export class Layout {
  #bytes = 0;

  /** Over `buffer`; null only measures, and every view is empty. */
  constructor(private readonly buffer: SharedArrayBuffer | null) {}

  /** How much has been handed out. */
  get bytes(): number {
    return this.#bytes;
  }

  ints(length: number): Int32Array {
    const at = this.#take(length, 4);
    return this.buffer === null ? new Int32Array(0) : new Int32Array(this.buffer, at, length);
  }

  /** Whole numbers below 65,536, which several workers change under the lock alone. */
  shorts(length: number): Uint16Array {
    const at = this.#take(length, 2);
    return this.buffer === null ? new Uint16Array(0) : new Uint16Array(this.buffer, at, length);
  }

  doubles(length: number): Float64Array {
    const at = this.#take(length, 8);
    return this.buffer === null ? new Float64Array(0) : new Float64Array(this.buffer, at, length);
  }

  /** Where the next `length` units of so many bytes begin, aligned to themselves. */
  #take(length: number, unit: number): number {
    const at = Math.ceil(this.#bytes / unit) * unit;
    this.#bytes = at + length * unit;
    return at;
  }
}
