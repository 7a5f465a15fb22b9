// The right to have one request in flight to one instance. Taken by the pool, released exactly once by
// whoever made the attempt, so that no counter can leak or go negative.

import { EJECTED, type Instance } from "./instance.ts";
import type { Outcome } from "./outlier.ts";

export class Lease {
  #open = true;
  /** Whether this is the one probe of a half-open instance. */
  readonly #probe: boolean;

  /** Claims the place; call it under the pool's lock. */
  constructor(
    readonly instance: Instance,
    private readonly ended: (
      instance: Instance,
      outcome: Outcome,
      probe: boolean,
      error: string,
    ) => void,
  ) {
    const { shared, slot } = instance;
    shared.addInFlight(slot, 1);
    this.#probe = shared.state[slot] === EJECTED;
    if (this.#probe) shared.beginProbe(slot);
  }

  /** Gives the place back with what came of it; any further call does nothing. */
  release(outcome: Outcome, error = ""): void {
    if (!this.#open) return;
    this.#open = false;
    this.instance.shared.addInFlight(this.instance.slot, -1);
    this.ended(this.instance, outcome, this.#probe, error);
  }

  /** Leaving a scope without a word is neutral. */
  [Symbol.dispose](): void {
    this.release("neutral");
  }
}
