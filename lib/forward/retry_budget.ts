// Bounds how many requests may be asked for a second time on the pool, so that an outage is not made
// worse by the gateway's own patience (Envoy's retry budget).

/** Retries allowed for each request that came. */
const SHARE = 0.2;
/** Retries that are always allowed in a quiet time. */
const FLOOR = 10;

export class RetryBudget {
  #balance = FLOOR;

  /** A request came. */
  deposit(): void {
    this.#balance = Math.min(this.#balance + SHARE, FLOOR * 10);
  }

  /** Takes one retry out; false when none is left. */
  withdraw(): boolean {
    if (this.#balance < 1) return false;
    this.#balance -= 1;
    return true;
  }

  /** A retry that was taken out asked nobody. */
  giveBack(): void {
    this.#balance += 1;
  }
}
