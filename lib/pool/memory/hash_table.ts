// The one hash table of the memory that workers share: open addressing, a fixed number of places, keys
// that are replaced but never removed, unless all at once. What stands beside a key is kept by the table's owner, at the
// same place. Call it under the lock.

import type { Layout } from "./layout.ts";

/** 53 bits of a text (two lanes of FNV-1a), never 0: two texts that share them are not met in practice. */
export function hashOf(text: string): number {
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code ^ (low >>> 13), 0x85ebca6b);
  }
  return ((high >>> 11) * 2 ** 32 + (low >>> 0)) || 1;
}

export class HashTable {
  readonly #keys: Float64Array;

  /** `size` places; a key stands at its own one or one of the `reach` - 1 behind it. */
  constructor(layout: Layout, readonly size: number, private readonly reach: number) {
    this.#keys = layout.doubles(size);
  }

  /** The place of `key`, or -1. */
  find(key: number): number {
    const home = key % this.size;
    for (let step = 0; step < this.reach; step++) {
      const place = (home + step) % this.size;
      const held = this.#keys[place];
      if (held === key) return place;
      // Keys are never removed, so none lies behind a place that was never used.
      if (held === 0) return -1;
    }
    return -1;
  }

  /** The place of `key`, which takes over the first that nobody needs; -1 where all are needed. */
  claim(key: number, isFree: (place: number) => boolean): number {
    let free = -1;
    const home = key % this.size;
    for (let step = 0; step < this.reach; step++) {
      const place = (home + step) % this.size;
      const held = this.#keys[place];
      if (held === key) return place;
      if (free < 0 && (held === 0 || isFree(place))) free = place;
      if (held === 0) break;
    }
    if (free >= 0) this.#keys[free] = key;
    return free;
  }

  /** 0 for a place that was never used. */
  keyAt(place: number): number {
    return this.#keys[place];
  }

  /** Forgets all keys. */
  clear(): void {
    this.#keys.fill(0);
  }

  /** Gives `key` a place that another one holds; the next `turn` picks the next one. */
  displace(key: number, turn: number): number {
    const place = (key % this.size + turn % this.reach) % this.size;
    this.#keys[place] = key;
    return place;
  }
}
