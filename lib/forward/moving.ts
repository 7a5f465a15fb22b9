// Requests under way that could go on elsewhere: when an instance is to be free at once, what runs there is
// asked to leave it. How each goes on is the loop's business (delivery.ts), as after a break.

import { type Enrolled, Roll } from "../http/roll.ts";

/** A request that is at an instance. */
export interface Movable extends Enrolled {
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
  readonly #here = new Roll<Movable>();

  add(one: Movable): void {
    this.#here.add(one);
  }

  remove(one: Movable): void {
    this.#here.remove(one);
  }

  /** Asks all that are at `instance` to leave it. */
  leave(instance: string): Moved {
    const there = this.#here.all.filter(({ at }) => at === instance);
    const moved = there.filter((one) => one.leave()).length;
    return { moved, staying: there.length - moved };
  }
}
