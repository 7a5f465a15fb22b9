// One upstream server as the pool sees it: its configuration, its numbers in the shared memory, and every
// step from one state to the next. When a step is due is decided in outlier.ts, who gets the instance in
// pool.ts.

import type { InstanceConfig } from "../config/config.ts";
import { hashOf } from "./memory/hash_table.ts";
import type { InstanceMemory, TurnMemory } from "./memory/fleet_memory.ts";
import type { SharedState } from "./shared_state.ts";

/** Takes requests. */
const HEALTHY = 0;
/** Too many of its answers failed; out until `outUntil`, then one probe request decides. */
const EJECTED = 1;
/** Active checks find it dead; out until one succeeds. */
const DOWN = 2;

export type InstanceState =
  | "healthy"
  | "slow_start"
  | "busy"
  | "ejected"
  | "half_open"
  | "down"
  | "draining";

/** What one more failure has brought the counts to. */
export interface FailureCounts {
  /** In the current error window: failures, and requests of any outcome. */
  failures: number;
  requests: number;
  /** Failures since the last success. */
  consecutive: number;
}

export class Instance {
  readonly #memory: InstanceMemory;
  /** This worker's mark on a probe under way. */
  readonly #prober: number;

  /** `slot` is its place in the shared memory, for as long as its id is configured. */
  constructor(
    readonly config: InstanceConfig,
    readonly slot: number,
    shared: SharedState,
    readonly slowStartS: number,
    readonly now: () => number,
  ) {
    this.#memory = shared.fleet.at(slot);
    this.#prober = shared.fleet.prober;
  }

  get name(): string {
    return this.config.name;
  }

  /** A number that stands for its address, the same in all workers and after a restart. */
  get addressKey(): number {
    return hashOf(this.config.origin + this.config.pathPrefix);
  }

  get inFlight(): number {
    return this.#memory.inFlight.count;
  }

  /** The balancer's memory for one of its models. */
  turnsFor(model: string): TurnMemory {
    return this.#memory.turn(this.config.models.indexOf(model));
  }

  /** Configured weight, less while it warms up after a recovery (a tenth at first). */
  get weight(): number {
    const { recoveredAt } = this.#memory;
    if (recoveredAt.value === 0 || this.slowStartS === 0) return this.config.weight;
    const warmth = (this.now() - recoveredAt.value) / (this.slowStartS * 1000);
    if (warmth >= 1) {
      recoveredAt.value = 0;
      return this.config.weight;
    }
    return this.config.weight * Math.max(0.1, warmth);
  }

  /** Longest context in tokens: as configured, else as the instance itself said; null when unknown. */
  get contextLength(): number | null {
    return this.config.maxContext ?? (this.#memory.contextLength.value || null);
  }

  /** Its own words on its longest context, in tokens. */
  learnContextLength(tokens: number): void {
    this.#memory.contextLength.value = tokens;
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
    const until = this.#memory.busyUntil.value;
    return until !== 0 && this.now() < until;
  }

  /** Whether the balancer may choose it: healthy, or half-open with its one probe still to give. */
  get isAvailable(): boolean {
    if (this.isBusy) return false;
    const state = this.#memory.state.value;
    return state === HEALTHY || (state === EJECTED && this.#mayProbe);
  }

  /** Whether its failures or its checks have taken it out; it may be half-open. */
  get isOut(): boolean {
    return this.#memory.state.value !== HEALTHY;
  }

  get isDown(): boolean {
    return this.#memory.state.value === DOWN;
  }

  get isEjected(): boolean {
    return this.#memory.state.value === EJECTED;
  }

  get #mayProbe(): boolean {
    return this.now() >= this.#memory.outUntil.value && this.#memory.probing.value === 0;
  }

  /** Leave it alone for `seconds`; never shortens an earlier wish. */
  holdBack(seconds: number): void {
    const { busyUntil } = this.#memory;
    busyUntil.value = Math.max(busyUntil.value, this.now() + seconds * 1000);
  }

  /** Milliseconds until it may be asked again after it said it was busy; 0 when it may now. */
  get busyForMs(): number {
    return Math.max(0, this.#memory.busyUntil.value - this.now());
  }

  get state(): InstanceState {
    if (!this.takesRequests) return "draining";
    const state = this.#memory.state.value;
    if (state === DOWN) return "down";
    if (state === EJECTED) {
      return this.now() >= this.#memory.outUntil.value ? "half_open" : "ejected";
    }
    if (this.isBusy) return "busy";
    return this.#memory.recoveredAt.value !== 0 && this.weight < this.config.weight
      ? "slow_start"
      : "healthy";
  }

  /** Failures counted in the current error window. */
  get recentErrors(): number {
    return this.#memory.failures.value;
  }

  /** Failures since its last success. */
  get failuresInARow(): number {
    return this.#memory.consecutive.value;
  }

  /** Begins a request, under the pool's lock. Whether it is the one probe of a half-open instance. */
  begin(): boolean {
    this.#memory.inFlight.add(1);
    const isProbe = this.isEjected;
    if (isProbe) this.#memory.probing.value = this.#prober;
    return isProbe;
  }

  /** Ends what `begin` began. */
  end(isProbe: boolean): void {
    this.#memory.inFlight.add(-1);
    if (isProbe) this.#memory.probing.value = 0;
  }

  countSuccess(windowS: number): void {
    this.#turnWindow(windowS);
    this.#memory.requests.add(1);
    if (this.#memory.consecutive.value !== 0) this.#memory.consecutive.value = 0;
  }

  countFailure(windowS: number): FailureCounts {
    this.#turnWindow(windowS);
    return {
      requests: this.#memory.requests.add(1),
      failures: this.#memory.failures.add(1),
      consecutive: this.#memory.consecutive.add(1),
    };
  }

  /** A fresh window starts when the old one has passed. */
  #turnWindow(windowS: number): void {
    const { windowStart, requests, failures } = this.#memory;
    if (this.now() - windowStart.value < windowS * 1000) return;
    windowStart.value = this.now();
    requests.value = 0;
    failures.value = 0;
  }

  /**
   * Takes it out for `baseS` seconds, doubled with each ejection in a row up to `maxS`. False when it was
   * ejected already; it stays out for longer all the same.
   */
  eject(baseS: number, maxS: number): boolean {
    const { state, ejections, outUntil } = this.#memory;
    const before = state.swap(EJECTED);
    const outS = Math.min(baseS * 2 ** Math.min(ejections.value, 30), maxS);
    outUntil.value = this.now() + outS * 1000;
    ejections.add(1);
    return before !== EJECTED;
  }

  /** Takes it out until it is well again. False when it was down already. */
  goDown(): boolean {
    return this.#memory.state.swap(DOWN) !== DOWN;
  }

  /** Back in use, warming up, with its counts forgotten. False when it was in use all the while. */
  recover(): boolean {
    const { state, consecutive, ejections, failures, requests, recoveredAt } = this.#memory;
    if (state.swap(HEALTHY) === HEALTHY) return false;
    for (const count of [consecutive, ejections, failures, requests]) count.value = 0;
    recoveredAt.value = this.now();
    return true;
  }
}
