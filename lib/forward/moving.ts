// Requests under way that could go on elsewhere: when an instance is to be free at once, what runs there is
// asked to leave it. How each goes on is the loop's business (forward.ts), as after a break.

/** A request that is at an instance. */
export interface Movable {
  /** Its place in the list; -1 outside. */
  place: number;
  /** Name of the instance that it is at. */
  readonly at: string;
  /** Leaves that instance, where it can go on elsewhere; false where it stays to its end. */
  leave(): boolean;
}

/** What came of asking all to leave an instance. */
export interface Moved {
  readonly moved: number;
  /** They finish where they are. */
  readonly staying: number;
}

/** Those of one isolate. */
export class Moving {
  /** A list and not a Set, which would keep alive what stood in it. */
  readonly #here: Movable[] = [];

  add(one: Movable): void {
    one.place = this.#here.push(one) - 1;
  }

  remove(one: Movable): void {
    if (one.place < 0) return;
    const last = this.#here.pop()!;
    if (last !== one) {
      this.#here[one.place] = last;
      last.place = one.place;
    }
    one.place = -1;
  }

  /** Asks all that are at `instance` to leave it. */
  leave(instance: string): Moved {
    const there = this.#here.filter(({ at }) => at === instance);
    const moved = there.filter((one) => one.leave()).length;
    return { moved, staying: there.length - moved };
  }
}
