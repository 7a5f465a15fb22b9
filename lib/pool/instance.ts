// One upstream server as the pool sees it: its configuration and its numbers in the shared state.
// When it is ejected and comes back is decided in outlier.ts, who gets it in pool.ts.

import type { InstanceConfig } from "../config/config.ts";
import type { Candidate } from "./balancing/strategy.ts";
import type { SharedState } from "./shared_state.ts";

/** Values of SharedState.state. */
export const HEALTHY = 0;
/** Too many of its answers failed; out until `ejectedUntil`, then one probe request decides. */
export const EJECTED = 1;
/** Active checks find it dead; out until one succeeds. */
export const DOWN = 2;

export type InstanceState =
  | "healthy"
  | "slow_start"
  | "busy"
  | "ejected"
  | "half_open"
  | "down"
  | "draining";

export class Instance implements Candidate {
  constructor(
    readonly config: InstanceConfig,
    readonly slot: number,
    readonly shared: SharedState,
    readonly slowStartS: number,
    readonly now: () => number,
  ) {}

  get name(): string {
    return this.config.name;
  }

  get inFlight(): number {
    return this.shared.inFlight(this.slot);
  }

  /** Configured weight, less while it warms up after a recovery (a tenth at first). */
  get weight(): number {
    const recoveredAt = this.shared.recoveredAt[this.slot];
    if (recoveredAt === 0 || this.slowStartS === 0) return this.config.weight;
    const warmth = (this.now() - recoveredAt) / (this.slowStartS * 1000);
    if (warmth >= 1) {
      this.shared.recoveredAt[this.slot] = 0;
      return this.config.weight;
    }
    return this.config.weight * Math.max(0.1, warmth);
  }

  get turn(): number {
    return this.shared.turn[this.slot];
  }
  set turn(value: number) {
    this.shared.turn[this.slot] = value;
  }

  get lastPick(): number {
    return this.shared.lastPick[this.slot];
  }
  set lastPick(value: number) {
    this.shared.lastPick[this.slot] = value;
  }

  /** Longest context in tokens: as configured, else as the instance itself said; null when unknown. */
  get contextLength(): number | null {
    return this.config.maxContext ?? (this.shared.contextLength[this.slot] || null);
  }

  /** Whether new requests may come at all. */
  get takesRequests(): boolean {
    return this.config.weight > 0;
  }

  /** Whether one more request fits under `max_concurrency`. */
  get hasRoom(): boolean {
    const limit = this.config.maxConcurrency;
    return limit === null || this.inFlight < limit;
  }

  /** Whether it said to be left alone until later (429, or 503 with Retry-After). */
  get isBusy(): boolean {
    const until = this.shared.retryAfter[this.slot];
    return until !== 0 && this.now() < until;
  }

  /** Whether the balancer may choose it: healthy, or half-open with its one probe still to give. */
  get isAvailable(): boolean {
    const state = this.shared.state[this.slot];
    if (this.isBusy) return false;
    if (state === HEALTHY) return true;
    return state === EJECTED && this.#mayProbe;
  }

  /** Whether its failures or its checks have taken it out; it may be half-open. */
  get isOut(): boolean {
    return this.shared.state[this.slot] !== HEALTHY;
  }

  get #mayProbe(): boolean {
    return this.now() >= this.shared.ejectedUntil[this.slot] &&
      this.shared.probing[this.slot] === 0;
  }

  /** Leave it alone for `seconds`; never shortens an earlier wish. */
  holdBack(seconds: number): void {
    const until = this.now() + seconds * 1000;
    if (until > this.shared.retryAfter[this.slot]) this.shared.retryAfter[this.slot] = until;
  }

  /** Milliseconds until it may be asked again after it said it was busy; 0 when it may now. */
  get busyForMs(): number {
    return Math.max(0, this.shared.retryAfter[this.slot] - this.now());
  }

  get state(): InstanceState {
    if (!this.takesRequests) return "draining";
    const state = this.shared.state[this.slot];
    if (state === DOWN) return "down";
    if (state === EJECTED) {
      return this.now() >= this.shared.ejectedUntil[this.slot] ? "half_open" : "ejected";
    }
    if (this.isBusy) return "busy";
    return this.shared.recoveredAt[this.slot] !== 0 && this.weight < this.config.weight
      ? "slow_start"
      : "healthy";
  }

  /** Failures counted in the current error window. */
  get recentErrors(): number {
    return this.shared.failures[this.slot];
  }
}
