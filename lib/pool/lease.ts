// The right to have one request in flight to one instance. Taken by the pool, released exactly once by
// whoever made the attempt, so that no counter can leak or go negative.

import type { Instance } from "./instance.ts";
import type { Outcome } from "./outlier.ts";

export class Lease {
  #open = true;
  /** Whether this is the one probe of a half-open instance. */
  readonly #isProbe: boolean;

  /** Claims the place; call it under the pool's lock. */
  constructor(
    readonly instance: Instance,
    private readonly ended: (
      instance: Instance,
      outcome: Outcome,
      isProbe: boolean,
      error: string,
    ) => void,
  ) {
    this.#isProbe = instance.begin();
  }

  /** Gives the place back with what came of it; any further call does nothing. */
  release(outcome: Outcome, error = ""): void {
    if (!this.#open) return;
    this.#open = false;
    this.instance.end(this.#isProbe);
    this.ended(this.instance, outcome, this.#isProbe, error);
  }

  /** Leaving a scope without a word is neutral. */
  [Symbol.dispose](): void {
    this.release("neutral");
  }
}
