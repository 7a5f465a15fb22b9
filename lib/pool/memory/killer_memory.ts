// Requests that have killed engines, so that one which comes again kills no more: few, by numbers that stand for
// what was asked.

import type { Layout } from "./layout.ts";

/** A further one takes the place of the oldest. */
const MOST = 64;

export class KillerMemory {
  readonly #keys: Float64Array;
  readonly #lengths: Int32Array;
  /** When each was noted, on the fleet's clock; 0 for none. */
  readonly #times: Float64Array;
  readonly #noted: Int32Array;

  constructor(layout: Layout) {
    this.#keys = layout.doubles(MOST);
    this.#lengths = layout.ints(MOST);
    this.#times = layout.doubles(MOST);
    this.#noted = layout.ints(1);
  }

  /** `key` stands for a request whose body has so many bytes. Under the pool's lock. */
  note(key: number, length: number, now: number): void {
    const known = this.#keys.indexOf(key);
    const place = known >= 0 ? known : (this.#noted[0]++ >>> 0) % MOST;
    this.#keys[place] = key;
    this.#lengths[place] = length;
    this.#times[place] = now;
  }

  /** Whether one of this length was noted since then: most requests need no key to tell that they are not there. */
  hasLength(length: number, sinceMs: number): boolean {
    if (this.#noted[0] === 0) return false;
    return this.#lengths.some((one, place) => one === length && this.#isSince(place, sinceMs));
  }

  has(key: number, sinceMs: number): boolean {
    const place = this.#keys.indexOf(key);
    return place >= 0 && this.#isSince(place, sinceMs);
  }

  #isSince(place: number, sinceMs: number): boolean {
    return this.#times[place] !== 0 && this.#times[place] >= sinceMs;
  }
}
