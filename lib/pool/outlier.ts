// Outlier detection: which outcomes eject an instance, for how long, and how it comes back. Active
// checks (health_check.ts) report here too, so that all changes of state are made in one place.

import type { Instance } from "./instance.ts";

/** How a lease ended. Neutral: the client's own error, a busy instance, a client that left. */
export type Outcome = "success" | "failure" | "neutral";

export interface OutlierOptions {
  /** Failures within the window that eject. */
  errorThreshold: number;
  errorWindowS: number;
}

export interface PoolEvent {
  kind: "instance_ejected" | "instance_down" | "instance_recovered";
  instance: string;
  message: string;
  /** Failures that led to it. */
  count: number;
}

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
    if (outcome === "neutral") return;
    const { errorThreshold, errorWindowS } = this.#options;
    if (outcome === "success") {
      instance.countSuccess(errorWindowS);
      if (instance.isOut) this.#recover(instance, "a request succeeded");
      return;
    }
    const { failures, requests, consecutive } = instance.countFailure(errorWindowS);
    if (wasProbe && instance.isEjected) return this.#eject(instance, failures, error);
    if (instance.isOut) return;
    const rate = failures / Math.max(1, requests);
    if (
      consecutive >= errorThreshold || (failures >= errorThreshold && rate >= MIN_FAILURE_RATE)
    ) {
      if (this.mayEject(instance)) this.#eject(instance, failures, error);
    }
  }

  /** An active check found it dead. */
  markDown(instance: Instance, error: string): void {
    if (!instance.goDown()) return;
    this.#tell("instance_down", instance, error, instance.recentErrors);
  }

  /**
   * An active check succeeded after it had failed: the instance was restarted. A check that merely
   * goes on succeeding does not end an ejection, since its requests failed all the same.
   */
  markUp(instance: Instance): void {
    this.#recover(instance, "its health check succeeds again");
  }

  #eject(instance: Instance, failures: number, error: string): void {
    const { errorWindowS } = this.#options;
    if (!instance.eject(errorWindowS, errorWindowS * MAX_WINDOWS)) return;
    this.#tell("instance_ejected", instance, error, failures);
  }

  #recover(instance: Instance, why: string): void {
    if (instance.recover()) this.#tell("instance_recovered", instance, why, 0);
  }

  #tell(kind: PoolEvent["kind"], instance: Instance, message: string, count: number): void {
    this.onEvent({ kind, instance: instance.name, message, count });
  }
}
