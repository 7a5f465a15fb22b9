// Events that wait, in the order in which they came: those of each choice by themselves, until one comes
// that belongs to several.

import { heldWithout } from "./choices.ts";
import type { HeldEvent } from "./held.ts";

export class Queues {
  /** Of all that wait. */
  bytes = 0;
  readonly #queues = new Map<number, HeldEvent[]>();
  /** All wait in one queue, since one came that belongs to several. */
  #isJoint = false;

  /** Of all queues, the empty ones among them. */
  get places(): number[] {
    return [...this.#queues.keys()];
  }

  /** Where the events of a choice wait. */
  placeOf(choice: number): number {
    return this.#isJoint ? 0 : choice;
  }

  /** Where an event about these choices waits; that of an API that knows no choices is `isNamed`. */
  placeFor(choices: readonly number[], isNamed: boolean): number {
    if (isNamed || this.#isJoint) return 0;
    if (choices.length === 1) return choices[0];
    const busy = [...this.#queues].filter(([, queue]) => queue.length > 0);
    if (choices.length === 0) return busy.at(-1)?.[0] ?? 0;
    const all = busy.flatMap(([, queue]) => queue);
    this.#queues.clear();
    this.#queues.set(0, all);
    this.#isJoint = true;
    return 0;
  }

  /** Whether nothing waits there. */
  isEmpty(place: number): boolean {
    return this.bytes === 0 || (this.#queues.get(place)?.length ?? 0) === 0;
  }

  at(place: number): HeldEvent[] | undefined {
    return this.#queues.get(place);
  }

  hold(place: number, event: HeldEvent): void {
    this.bytes += event.bytes.length;
    const queue = this.#queues.get(place);
    if (queue === undefined) this.#queues.set(place, [event]);
    else queue.push(event);
  }

  /** What waits behind a cut is about other choices than those that are `cut`. */
  leaveOut(place: number, cut: ReadonlySet<number>): void {
    const left = (this.#queues.get(place) ?? [])
      .filter(({ choices }) => choices.length === 0 || choices.some((one) => !cut.has(one)))
      .map((event) => event.choices.some((one) => cut.has(one)) ? heldWithout(event, cut) : event);
    this.#queues.set(place, left);
    this.bytes = 0;
    for (const queue of this.#queues.values()) {
      for (const { bytes } of queue) this.bytes += bytes.length;
    }
  }
}
