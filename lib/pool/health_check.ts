// Active health checks: GET on each instance's health path, with jitter, one prober for the process.
// What a result means for the balancer is left to outlier.ts; how a request is sent to the caller.

import type { HealthCheckConfig } from "../config/config.ts";
import { guarded } from "../observe/guarded.ts";
import type { Fleet } from "./fleet.ts";
import type { Instance } from "./instance.ts";

/**
 * null when it is alive and awake, else what is wrong. unreachable: not even a connection. unknown: the
 * gateway itself could not ask.
 */
export type CheckResult =
  | null
  | { kind: "failed" | "unreachable" | "asleep" | "unknown"; message: string };

/** What an instance's own list of models says of what it is configured for. */
export type HealthVerdict =
  | { kind: "right" }
  | { kind: "wrong"; message: string }
  | { kind: "unknown" };

/** A dead instance is asked this often, so that a restarted one is back soon. */
const DOWN_INTERVAL_S = 1;
/** Failed checks in a row that take an instance out, unless it cannot even be reached. */
const FAILURES_TO_DOWN = 2;
/** How often the failures of requests, in all workers, are looked at. */
const LOOK_MS = 100;
/** No instance is checked more often than this for failures of its requests. */
const LEAST_INTERVAL_MS = 1000;

interface Watch {
  timer: ReturnType<typeof setTimeout> | null;
  failures: number;
  failing: boolean;
  running: boolean;
  /** Whether its models were looked at since it was configured or came up. */
  known: boolean;
  /** The fleet's clock at the last check. */
  checkedAt: number;
  /** Failures in a row of its requests at the last look. */
  failuresSeen: number;
}

export class HealthChecker {
  /** By the id of the instance. */
  readonly #watches = new Map<string, Watch>();
  readonly #look: ReturnType<typeof setInterval>;
  #closed = false;

  constructor(
    private readonly fleet: Fleet,
    private config: HealthCheckConfig,
    private readonly check: (instance: Instance, config: HealthCheckConfig) => Promise<CheckResult>,
    /** Asks an instance for its models. Never rejects. */
    private readonly learn: (instance: Instance) => Promise<HealthVerdict>,
    private readonly random: () => number,
  ) {
    this.#look = setInterval(() => this.#lookAtFailures(), LOOK_MS);
    Deno.unrefTimer(Number(this.#look));
  }

  /** Watches the private instances of the fleet as it is now. */
  configure(config: HealthCheckConfig): void {
    this.config = config;
    const wanted = new Set<string>();
    if (config.intervalS > 0) {
      for (const instance of this.fleet.instances) {
        // A fallback is often somebody else's service; its health shows in its answers.
        if (!instance.config.fallback) wanted.add(instance.config.id);
      }
    }
    for (const [id, watch] of this.#watches) {
      if (wanted.has(id)) continue;
      if (watch.timer !== null) clearTimeout(watch.timer);
      this.#watches.delete(id);
    }
    for (const id of wanted) {
      const watch = this.#watches.get(id);
      if (watch !== undefined) {
        watch.known = false;
        continue;
      }
      this.#watches.set(id, {
        timer: null,
        failures: 0,
        failing: false,
        running: false,
        known: false,
        checkedAt: -Infinity,
        failuresSeen: 0,
      });
      this.#schedule(id, 0.1 * this.random());
    }
  }

  /** An instance whose request has just failed is checked at once: it may be dead. */
  #lookAtFailures(): void {
    for (const instance of this.fleet.instances) {
      const watch = this.#watches.get(instance.config.id);
      // What fails while a check is under way is looked at when that is over.
      if (watch === undefined || watch.running) continue;
      const failures = instance.failuresInARow;
      if (failures < watch.failuresSeen) watch.failuresSeen = failures;
      if (failures === watch.failuresSeen || watch.failing) continue;
      if (this.fleet.now() - watch.checkedAt < LEAST_INTERVAL_MS) continue;
      watch.failuresSeen = failures;
      this.#schedule(instance.config.id, 0);
    }
  }

  /** Checks one instance now, since it has just been ejected. */
  checkSoon(instance: Instance): void {
    if (this.#watches.has(instance.config.id)) this.#schedule(instance.config.id, 0);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#look);
    for (const watch of this.#watches.values()) {
      if (watch.timer !== null) clearTimeout(watch.timer);
    }
    this.#watches.clear();
  }

  #schedule(id: string, inS: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined || this.#closed || watch.running) return;
    if (watch.timer !== null) clearTimeout(watch.timer);
    watch.timer = setTimeout(() => this.#run(id, watch), inS * 1000);
    Deno.unrefTimer(Number(watch.timer));
  }

  async #run(id: string, watch: Watch): Promise<void> {
    const instance = this.fleet.instances.find((other) => other.config.id === id);
    if (instance === undefined) return;
    watch.timer = null;
    watch.running = true;
    watch.checkedAt = this.fleet.now();
    await guarded("a health check", () => this.#checkOne(instance, watch));
    if (this.#closed || this.#watches.get(id) !== watch) return;
    const isDown = watch.failing || instance.condition === "down" ||
      instance.condition === "asleep";
    watch.running = false;
    const intervalS = isDown
      ? Math.min(DOWN_INTERVAL_S, this.config.intervalS)
      : this.config.intervalS;
    this.#schedule(id, intervalS * (0.9 + 0.2 * this.random()));
  }

  async #checkOne(instance: Instance, watch: Watch): Promise<void> {
    const result = await this.check(instance, this.config);
    if (this.#closed || this.#watches.get(instance.config.id) !== watch) return;
    if (result === null) await this.#passed(instance, watch);
    else if (result.kind === "unknown") watch.failuresSeen = instance.failuresInARow;
    else if (result.kind === "asleep") this.#asleep(instance, watch, result.message);
    else this.#failed(instance, watch, result);
  }

  async #passed(instance: Instance, watch: Watch): Promise<void> {
    const { outlier } = this.fleet;
    const { condition } = instance;
    const cameBack = watch.failing && condition === "ejected";
    watch.failures = 0;
    watch.failing = false;
    if (cameBack || condition === "down" || condition === "asleep") outlier.markUp(instance);
    else outlier.markWell(instance);
    const isAgain = condition === "misconfigured" && instance.mayReturn;
    if (watch.known && !isAgain) return;
    watch.known = true;
    const verdict = await this.learn(instance);
    if (this.#closed) return;
    // Read anew meanwhile: what it was asked by is not what is in force.
    if (!this.fleet.instances.includes(instance)) {
      watch.known = false;
      return;
    }
    if (verdict.kind === "wrong") outlier.markMisconfigured(instance, verdict.message);
    else if (verdict.kind === "right" && isAgain) {
      outlier.markConfigured(instance, "its /v1/models lists what it is configured for");
    }
  }

  /** Its server answers and its engine does not. */
  #asleep(instance: Instance, watch: Watch, message: string): void {
    watch.failures = 0;
    watch.failing = false;
    this.fleet.outlier.markAsleep(instance, message);
  }

  #failed(instance: Instance, watch: Watch, { kind, message }: CheckResult & object): void {
    watch.failures++;
    watch.failing = true;
    watch.known = false;
    if (kind === "unreachable" || watch.failures >= FAILURES_TO_DOWN) {
      this.fleet.outlier.markDown(instance, message);
    }
  }
}
