// Bounds how many requests may be asked for a second time, so that an outage is not made worse by the
// gateway's own patience (Envoy's retry budget).

export interface RetryLimits {
  /** Retries allowed for each request that came. */
  readonly share: number;
  /** Retries that are allowed before any has come. */
  readonly atFirst: number;
  /** As many as may be saved up in a quiet time. */
  readonly most: number;
}

export class RetryBudget {
  #balance: number;

  constructor(private readonly limits: RetryLimits) {
    this.#balance = limits.atFirst;
  }

  /** A request came. */
  deposit(): void {
    const { share, most } = this.limits;
    this.#balance = Math.min(this.#balance + share, most);
  }

  /** Whether one retry is left. */
  get isLeft(): boolean {
    return this.#balance >= 1;
  }

  /** Takes one retry out; false when none is left. */
  withdraw(): boolean {
    if (!this.isLeft) return false;
    this.#balance -= 1;
    return true;
  }

  /** A retry that was taken out asked nobody. */
  giveBack(): void {
    this.#balance += 1;
  }
}
