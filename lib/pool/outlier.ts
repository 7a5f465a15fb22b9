// Outlier detection: which outcomes take an instance out, for how long, and how it comes back. Active
// checks (health_check.ts) and the watch over silent requests (watchdog.ts) report here too, so that all
// changes of condition are made in one place.

import type { Config } from "../config/config.ts";
import type { Begun, Condition, Instance } from "./instance.ts";

/** How a lease ended. */
export type LeaseOutcome =
  /** A whole answer. */
  | "success"
  /** The instance's fault: no connection, 5xx, an answer that broke off. */
  | "failure"
  /** Says nothing of the instance: the client's own error, a client that left, the gateway's own trouble. */
  | "neutral"
  /** It has as much as it can take (429, vLLM's 503): asked elsewhere, no fault. */
  | "busy"
  /** Nothing at all came until the wait was over. A failure, and more where others answered meanwhile. */
  | "swallowed"
  /** It takes no new requests for good ("cannot schedule new futures after shutdown"). */
  | "shutting_down"
  /** It says that its engine is lost: until it has been started anew it answers nobody. */
  | "engine_dead"
  /** It refused what it is configured for: the gateway's own key, or a model or path that others serve. */
  | "misconfigured";

export interface Ended {
  instance: Instance;
  begun: Begun;
  outcome: LeaseOutcome;
  /** What went wrong. */
  error: string;
  /** Whether others of the model answered while nothing came from this one. */
  othersAnswered: boolean;
}

export type OutlierOptions = Pick<
  Config,
  "errorThreshold" | "errorWindowS" | "ejectionTimeS" | "maxEjectionTimeS"
>;

export interface PoolEvent {
  kind:
    | "instance_ejected"
    | "instance_down"
    | "instance_hung"
    | "instance_asleep"
    | "instance_misconfigured"
    | "instance_recovered";
  instance: string;
  message: string;
  /** Failures that led to it. */
  count: number;
}

/** An instance is only ejected when at least this share of its answers failed. */
const MIN_FAILURE_RATE = 0.1;
/** Conditions that a success ends, even of a request from before. */
const ENDED_BY_ANY: ReadonlySet<Condition> = new Set(["ejected", "down", "hung"]);

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

  get #times() {
    return { firstS: this.#options.ejectionTimeS, mostS: this.#options.maxEjectionTimeS };
  }

  /** Counts the end of a request. */
  record(ended: Ended): void {
    const { instance, outcome, error } = ended;
    switch (outcome) {
      case "neutral":
      case "busy":
        return;
      case "success":
        return this.#succeeded(ended);
      case "failure":
        return this.#failed(ended);
      case "swallowed":
        if (ended.othersAnswered && !instance.isMute) return this.markHung(instance, error);
        return this.#failed(ended);
      case "shutting_down":
        return this.markShuttingDown(instance, error);
      case "engine_dead":
        return this.#lostEngine(ended);
      case "misconfigured":
        return this.markMisconfigured(instance, error);
    }
  }

  #succeeded({ instance, begun }: Ended): void {
    instance.countSuccess(this.#options.errorWindowS);
    const { condition } = instance;
    if (condition === "healthy") return;
    // One that shuts down still answers what it has; its key may fit one request and not the next.
    if (ENDED_BY_ANY.has(condition) || begun !== "usual") {
      this.#recover(instance, "a request succeeded");
    }
  }

  #failed({ instance, begun, error }: Ended): void {
    const { errorThreshold, errorWindowS } = this.#options;
    const { failures, requests, consecutive } = instance.countFailure(errorWindowS);
    const { condition } = instance;
    if (begun === "probe" && condition !== "healthy") {
      // As it was, and for longer.
      instance.takeOut(condition, this.#times);
      return;
    }
    if (condition !== "healthy") return;
    const rate = failures / Math.max(1, requests);
    if (
      consecutive >= errorThreshold || (failures >= errorThreshold && rate >= MIN_FAILURE_RATE)
    ) {
      if (!this.mayEject(instance)) return;
      if (instance.takeOut("ejected", this.#times)) {
        this.#tell("instance_ejected", instance, error, failures);
      }
    }
  }

  /**
   * One such word is certain, and all who come after would meet the same: it is out at once, however many of
   * its pool are. Ejected, not down: where nobody checks its health, or the check says nothing of the engine, a
   * probe brings it back.
   */
  #lostEngine(ended: Ended): void {
    const { instance, begun, error } = ended;
    if (instance.condition !== "healthy") return this.#failed(ended);
    const { failures } = instance.countFailure(this.#options.errorWindowS);
    if (begun === "usual") instance.noteEngineDeath();
    if (instance.takeOut("ejected", this.#times)) {
      this.#tell("instance_ejected", instance, `its engine died: ${error}`, failures);
    }
  }

  /** Its engine works: whatever it has swallowed, it is not hung. */
  noteProgress(instance: Instance): void {
    if (instance.condition === "hung") this.#recover(instance, "it answers again");
  }

  /** It has swallowed a request while others answered. */
  markHung(instance: Instance, message: string): void {
    const { condition } = instance;
    if (condition !== "healthy" && condition !== "ejected" && condition !== "hung") return;
    if (instance.takeOut("hung", this.#times)) this.#tell("instance_hung", instance, message, 1);
  }

  /** It takes no new requests; what it has it may still answer. */
  markShuttingDown(instance: Instance, message: string): void {
    if (instance.condition === "down") return;
    if (instance.takeOut("shutting_down", this.#times)) {
      this.#tell("instance_down", instance, `it is shutting down: ${message}`, 1);
    }
  }

  /** It refuses what it is configured for. */
  markMisconfigured(instance: Instance, message: string): void {
    if (instance.condition === "down") return;
    if (instance.takeOut("misconfigured", this.#times)) {
      this.#tell("instance_misconfigured", instance, message, 1);
    }
  }

  /** What it is configured for is there now. */
  markConfigured(instance: Instance, why: string): void {
    if (instance.condition === "misconfigured") this.#recover(instance, why);
  }

  /** An active check found its engine asleep, or paused. */
  markAsleep(instance: Instance, message: string): void {
    if (instance.condition === "asleep") return;
    if (instance.takeOut("asleep", this.#times)) {
      this.#tell("instance_asleep", instance, message, 0);
    }
  }

  /** An active check found it dead. */
  markDown(instance: Instance, message: string): void {
    const { condition } = instance;
    if (condition === "down") return;
    instance.takeOut("down", this.#times);
    // The end of one that said that it shuts down is no news.
    if (condition !== "shutting_down") {
      this.#tell("instance_down", instance, message, instance.recentErrors);
    }
  }

  /** An active check succeeded after it had failed: the instance was restarted, or is awake again. */
  markUp(instance: Instance): void {
    this.#recover(instance, "its health check succeeds again");
  }

  /**
   * An active check goes on succeeding. That does not end an ejection, since its requests failed all the
   * same, but it need not wait for longer than the first time; and a long wish to be left alone is over.
   */
  markWell(instance: Instance): void {
    const { ejectionTimeS } = this.#options;
    if (instance.condition === "ejected") instance.shortenTimeOut(ejectionTimeS);
    instance.forgetWish(ejectionTimeS);
  }

  /** The configuration was read anew: what was found out by the old one is looked at again. */
  forgive(instance: Instance): void {
    instance.forgetWish(0);
    this.markConfigured(instance, "the configuration was read anew");
  }

  #recover(instance: Instance, why: string): void {
    if (instance.recover()) this.#tell("instance_recovered", instance, why, 0);
  }

  #tell(kind: PoolEvent["kind"], instance: Instance, message: string, count: number): void {
    this.onEvent({ kind, instance: instance.name, message, count });
  }
}
