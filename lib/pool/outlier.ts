// Outlier detection: which outcomes eject an instance, for how long, and how it comes back. Active
// checks (health_check.ts) report here too, so that all changes of state are made in one place.

import { DOWN, EJECTED, HEALTHY, type Instance } from "./instance.ts";

/** How a lease ended. Neutral: the client's own error, a busy instance, a client that left. */
export type Outcome = "success" | "failure" | "neutral";

export interface OutlierOptions {
  /** Failures within the window that eject. */
  errorThreshold: number;
  errorWindowS: number;
}

export type PoolEvent =
  | { kind: "instance_ejected"; instance: string; message: string; count: number }
  | { kind: "instance_down"; instance: string; message: string; count: number }
  | { kind: "instance_recovered"; instance: string; message: string; count: number };

/** An instance is only ejected when at least this share of its answers failed. */
const MIN_FAILURE_RATE = 0.1;
/** The longest ejection, in windows. */
const MAX_WINDOWS = 8;

export class OutlierDetection {
  #options: OutlierOptions;

  constructor(
    options: OutlierOptions,
    /** Whether one more of the instance's pools may lose a member (at most half of a pool is out). */
    private readonly mayEject: (instance: Instance) => boolean,
    private readonly onEvent: (event: PoolEvent) => void,
  ) {
    this.#options = options;
  }

  configure(options: OutlierOptions): void {
    this.#options = options;
  }

  /** Counts the end of a request. `wasProbe`: it was the one request of a half-open instance. */
  record(instance: Instance, outcome: Outcome, wasProbe: boolean, error: string): void {
    const { shared, slot } = instance;
    if (wasProbe) shared.endProbe(slot);
    if (outcome === "neutral") return;
    this.#turnWindow(instance);
    Atomics.add(shared.requests, slot, 1);
    if (outcome === "success") {
      if (shared.consecutive[slot] !== 0) Atomics.store(shared.consecutive, slot, 0);
      if (shared.state[slot] !== HEALTHY) this.#recover(instance, "a request succeeded");
      return;
    }
    const failures = Atomics.add(shared.failures, slot, 1) + 1;
    const consecutive = Atomics.add(shared.consecutive, slot, 1) + 1;
    if (wasProbe && shared.state[slot] === EJECTED) return this.#eject(instance, failures, error);
    if (shared.state[slot] !== HEALTHY) return;
    const threshold = this.#options.errorThreshold;
    const rate = failures / Math.max(1, shared.requests[slot]);
    if (consecutive >= threshold || (failures >= threshold && rate >= MIN_FAILURE_RATE)) {
      if (this.mayEject(instance)) this.#eject(instance, failures, error);
    }
  }

  /** An active check found it dead. */
  markDown(instance: Instance, error: string): void {
    const { shared, slot } = instance;
    for (;;) {
      const before = Atomics.load(shared.state, slot);
      if (before === DOWN) return;
      if (Atomics.compareExchange(shared.state, slot, before, DOWN) === before) break;
    }
    this.onEvent({
      kind: "instance_down",
      instance: instance.name,
      message: error,
      count: shared.failures[slot],
    });
  }

  /**
   * An active check succeeded after it had failed: the instance was restarted. A check that merely
   * goes on succeeding does not end an ejection, since its requests failed all the same.
   */
  markUp(instance: Instance): void {
    if (instance.shared.state[instance.slot] !== HEALTHY) {
      this.#recover(instance, "its health check succeeds again");
    }
  }

  /** A fresh window starts when the old one has passed. */
  #turnWindow(instance: Instance): void {
    const { shared, slot } = instance;
    const now = instance.now();
    if (now - shared.windowStart[slot] < this.#options.errorWindowS * 1000) return;
    shared.windowStart[slot] = now;
    Atomics.store(shared.requests, slot, 0);
    Atomics.store(shared.failures, slot, 0);
  }

  #eject(instance: Instance, failures: number, error: string): void {
    const { shared, slot } = instance;
    const before = Atomics.exchange(shared.state, slot, EJECTED);
    const times = Math.min(2 ** shared.ejections[slot], MAX_WINDOWS);
    shared.ejectedUntil[slot] = instance.now() + this.#options.errorWindowS * 1000 * times;
    Atomics.add(shared.ejections, slot, 1);
    if (before === EJECTED) return;
    this.onEvent({
      kind: "instance_ejected",
      instance: instance.name,
      message: error,
      count: failures,
    });
  }

  #recover(instance: Instance, why: string): void {
    const { shared, slot } = instance;
    const before = Atomics.exchange(shared.state, slot, HEALTHY);
    if (before === HEALTHY) return;
    Atomics.store(shared.consecutive, slot, 0);
    Atomics.store(shared.ejections, slot, 0);
    Atomics.store(shared.failures, slot, 0);
    Atomics.store(shared.requests, slot, 0);
    shared.recoveredAt[slot] = instance.now();
    this.onEvent({
      kind: "instance_recovered",
      instance: instance.name,
      message: why,
      count: 0,
    });
  }
}
