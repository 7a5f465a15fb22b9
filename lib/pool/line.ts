// The line of those who wait for one model, over all workers: how many there are and who is first. Each
// worker keeps its own waiters (queue.ts); here they agree on one order.

import type { SharedState } from "./shared_state.ts";

/** Between the places of two priorities: more than there are tickets. */
const PRIORITY_STEP = 2 ** 32;

export class Line {
  constructor(private readonly shared: SharedState, private readonly slot: number) {}

  /** Requests that wait, in all workers. */
  get length(): number {
    return this.shared.line.length(this.slot);
  }

  /** Place of the first over all workers; Infinity when nobody waits. */
  get front(): number {
    return this.shared.line.front(this.slot);
  }

  /** Whether all that wait are of a lower priority. */
  isFreeFor(priority: number): boolean {
    return this.front >= (1 - priority) * PRIORITY_STEP;
  }

  /** A place behind all of this priority; null when `max` wait already. */
  join(priority: number, max: number): number | null {
    return this.shared.locked(() => {
      if (this.length >= max) return null;
      this.shared.line.add(this.slot, 1);
      return this.shared.line.nextTicket() - priority * PRIORITY_STEP;
    });
  }

  leave(): void {
    this.shared.line.add(this.slot, -1);
  }

  /** Tells the other workers which place this worker's first has; Infinity when it has none. */
  setOwnFront(place: number): void {
    this.shared.line.setOwnFront(this.slot, place);
  }
}
