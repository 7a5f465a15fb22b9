// One request's right to a retry on the pool: asked of the budget once, used by the next attempt there, and
// given back where that asked nobody or is never made.

import type { Instance } from "../pool/instance.ts";
import type { RetryBudget } from "./retry_budget.ts";

export class RetryGrant {
  /** One that was not made yet: by the budget, where it is paid. */
  #state: "no" | "free" | "paid" = "no";
  /** Where the one under way, that the budget has granted, is made. */
  #paidAt: Instance | null = null;

  constructor(private readonly budget: RetryBudget) {}

  /** Whether one more may be made, for which the budget is asked once. */
  ask(): boolean {
    if (this.#state === "no" && this.budget.withdraw()) this.#state = "paid";
    return this.#state !== "no";
  }

  /** One that takes no other request's. */
  giveFree(): void {
    if (this.#state === "no") this.#state = "free";
  }

  /** An attempt is made; a fallback is no retry on the pool. */
  attempted(instance: Instance): void {
    this.#paidAt = null;
    if (this.#state === "no" || instance.config.fallback) return;
    if (this.#state === "paid") this.#paidAt = instance;
    this.#state = "no";
  }

  /** The attempt at `instance` has reached nobody. */
  notAsked(instance: Instance): void {
    if (this.#paidAt === instance) this.budget.giveBack();
  }

  /** What was not made is left to others. */
  close(): void {
    if (this.#state === "paid") this.budget.giveBack();
    this.#state = "no";
  }
}
