// Who is there now, of many that come and go.

/** What a Roll can hold; in one at a time. */
export interface Enrolled {
  /** Its place in the list; -1 outside. Written by the Roll alone. */
  place: number;
}

/**
 * A list, and not a Set: the tables that a Set leaves behind as it changes keep what stood in them alive until
 * the next full collection, and with each of them its whole request (docs/decisions/memory.md).
 */
export class Roll<T extends Enrolled> {
  readonly #all: T[] = [];

  /** All, in no order. Not to be kept: it changes with each that comes or goes. */
  get all(): readonly T[] {
    return this.#all;
  }

  get size(): number {
    return this.#all.length;
  }

  add(one: T): void {
    if (one.place >= 0) return;
    one.place = this.#all.push(one) - 1;
  }

  remove(one: T): void {
    const { place } = one;
    if (place < 0) return;
    one.place = -1;
    const last = this.#all.pop()!;
    if (last === one) return;
    this.#all[place] = last;
    last.place = place;
  }
}
