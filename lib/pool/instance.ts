// One upstream server as the pool sees it: its configuration, its numbers in the shared memory, and every
// step from one condition to the next. When a step is due is decided in outlier.ts, who gets the instance
// in pool.ts.

import type { Config, InstanceConfig } from "../config/config.ts";
import { hashOf } from "./memory/hash_table.ts";
import type { InstanceMemory, TurnMemory } from "./memory/fleet_memory.ts";
import { Rank } from "./rank.ts";
import type { SharedState } from "./shared_state.ts";

/** Conditions, each at the number that stands for it in the shared memory. */
const CONDITIONS = [
  "healthy",
  /** Too many of its answers failed. */
  "ejected",
  /** Active checks find it dead; out until one succeeds. */
  "down",
  /** It swallowed a request while others answered; a sign of life brings it back. */
  "hung",
  /** It answers the requests that it has and no new ones; out until it is gone and comes back. */
  "shutting_down",
  /** It refuses what it is configured for: the gateway's own key, a model, a path. */
  "misconfigured",
  /** Its engine sleeps or pauses; out until a check finds it awake. */
  "asleep",
] as const;
export type Condition = typeof CONDITIONS[number];

/** Conditions that end by a probe: one request at a time, once the time out has passed. */
const PROBED: ReadonlySet<Condition> = new Set(["ejected", "hung", "shutting_down"]);
/** Conditions in which requests that wait for a first word wait in vain. */
const MUTE: ReadonlySet<Condition> = new Set(["down", "hung", "asleep"]);

/** What people are shown: the condition, or what else keeps it from its full share. */
export type InstanceState = Condition | "slow_start" | "busy" | "half_open" | "draining";

/** How a request came to the instance: as usual, as its probe, or although it was out. */
export type Begun = "usual" | "probe" | "anyway";

/** What one more failure has brought the counts to. */
export interface FailureCounts {
  /** In the current error window: failures, and requests of any outcome. */
  failures: number;
  requests: number;
  /** Failures since the last success. */
  consecutive: number;
}

/** How long an instance stays out the first time, and at most, each time in a row twice as long. */
export interface TimesOut {
  firstS: number;
  mostS: number;
}

/** Options that an instance goes by. */
export type InstanceOptions = Pick<Config, "slowStartS" | "maxRetryAfterS">;

/** A cell has 32 bits with a sign; a server without a limit of its own may tell 2147483648. */
const MAX_CELL = 2 ** 31 - 1;

export class Instance {
  readonly #memory: InstanceMemory;
  /** This worker's mark on a probe under way. */
  readonly #prober: number;

  /** `slot` is its place in the shared memory, for as long as its id is configured. */
  constructor(
    readonly config: InstanceConfig,
    readonly slot: number,
    shared: SharedState,
    private readonly options: InstanceOptions,
    readonly now: () => number,
    /** Places of its data-parallel ranks. */
    rankSlots: readonly number[] = [],
  ) {
    this.#memory = shared.fleet.at(slot);
    const address = config.origin + config.pathPrefix;
    this.addressKey = hashOf(address);
    this.ranks = rankSlots.map((slot, index) =>
      new Rank(index, slot, `${config.name}/${index}`, hashOf(`${address} ${index}`), shared)
    );
    this.#prober = shared.fleet.prober;
  }

  /** Of a server that runs several engines behind its address. */
  readonly ranks: readonly Rank[];

  /** It has refused one of them: here it is one place, until a new configuration says what it has. */
  refusesRanks = false;

  /** Its own place in the shared memory and those of its ranks. */
  get slots(): readonly number[] {
    return [this.slot, ...this.ranks.map(({ slot }) => slot)];
  }

  get name(): string {
    return this.config.name;
  }

  /** A number that stands for its address, the same in all workers and after a restart. */
  readonly addressKey: number;

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
    const { slowStartS } = this.options;
    if (recoveredAt.value === 0 || slowStartS === 0) return this.config.weight;
    const warmth = (this.now() - recoveredAt.value) / (slowStartS * 1000);
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
    this.#memory.contextLength.value = Math.min(tokens, MAX_CELL);
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

  /** Leave it alone for `seconds`, at most `retry.max_retry_after`; never shortens an earlier wish. */
  holdBack(seconds: number): void {
    const { busyUntil, busySince } = this.#memory;
    const until = this.now() + Math.min(seconds, this.options.maxRetryAfterS) * 1000;
    busySince.value = this.now();
    if (until > busyUntil.value) busyUntil.value = until;
  }

  /** Forgets its wish to be left alone where that has been respected for `leastS` seconds. */
  forgetWish(leastS: number): void {
    const { busyUntil, busySince } = this.#memory;
    if (this.now() - busySince.value >= leastS * 1000) busyUntil.value = 0;
  }

  /** Milliseconds until it may be asked again after it said it was busy; 0 when it may now. */
  get busyForMs(): number {
    return Math.max(0, this.#memory.busyUntil.value - this.now());
  }

  get condition(): Condition {
    return CONDITIONS[this.#memory.condition.value];
  }

  /** Whether it is in no condition to get its share; it may be half-open. */
  get isOut(): boolean {
    return this.condition !== "healthy";
  }

  /** Whether a request that still waits for its first word there waits in vain. */
  get isMute(): boolean {
    return MUTE.has(this.condition);
  }

  /** Whether the balancer may choose it: healthy, or half-open with its one probe still to give. */
  get isAvailable(): boolean {
    if (this.isBusy) return false;
    const { condition } = this;
    return condition === "healthy" ||
      (PROBED.has(condition) && this.#isTimeOver && this.#memory.probing.value === 0);
  }

  get #isTimeOver(): boolean {
    return this.now() >= this.#memory.outUntil.value;
  }

  get state(): InstanceState {
    if (!this.takesRequests) return "draining";
    const { condition } = this;
    if (PROBED.has(condition)) return this.#isTimeOver ? "half_open" : condition;
    if (condition !== "healthy") return condition;
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

  /** When it last showed that its engine works; 0 for never. */
  get lastProgress(): number {
    return this.#memory.lastProgress.value;
  }

  /** Its engine works: a token came. One store; cheap enough for every event of a stream. */
  noteProgress(): void {
    this.#memory.lastProgress.value = this.now();
  }

  /** It has said that its engine is lost, for the first time since it was in use. */
  noteEngineDeath(): void {
    this.#memory.engineDiedAt.value = this.now();
  }

  /** When its engine was last known to be lost; 0 for never. */
  get engineDiedAt(): number {
    return this.#memory.engineDiedAt.value;
  }

  /** It is found out which request killed its engine: whoever else was there then is not to blame. */
  noteKillerFound(): void {
    this.#memory.killerFoundAt.value = this.now();
  }

  /** When that was, the last time; 0 for never. */
  get killerFoundAt(): number {
    return this.#memory.killerFoundAt.value;
  }

  /** Suspects that wait there for the first of their answers, and all that have ever come (trial.ts). */
  get suspects(): { readonly now: number; readonly ever: number } {
    const { suspects, suspectsCame } = this.#memory;
    return { now: suspects.count, ever: suspectsCame.value };
  }

  /** A suspect comes, under the pool's lock. */
  beginSuspect(): void {
    this.#memory.suspects.add(1);
    this.#memory.suspectsCame.add(1);
  }

  endSuspect(): void {
    this.#memory.suspects.add(-1);
  }

  /** Begins a request, under the pool's lock. */
  begin(): Begun {
    this.#memory.inFlight.add(1);
    const { condition } = this;
    if (condition === "healthy") return "usual";
    if (!PROBED.has(condition)) return "anyway";
    this.#memory.probing.value = this.#prober;
    return "probe";
  }

  /** Ends what `begin` began. */
  end(begun: Begun): void {
    this.#memory.inFlight.add(-1);
    if (begun === "probe") this.#memory.probing.value = 0;
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

  /** Out of use, in this condition. False when it was in it already; its time out grows all the same. */
  takeOut(condition: Exclude<Condition, "healthy">, { firstS, mostS }: TimesOut): boolean {
    const { outSince, outUntil, timesOut } = this.#memory;
    const before = this.#memory.condition.swap(CONDITIONS.indexOf(condition));
    const outS = Math.min(firstS * 2 ** Math.min(timesOut.value, 30), mostS);
    outSince.value = this.now();
    outUntil.value = this.now() + outS * 1000;
    timesOut.add(1);
    return CONDITIONS[before] !== condition;
  }

  /** Out for no longer than `firstS` since it was last taken out. */
  shortenTimeOut(firstS: number): void {
    const { outSince, outUntil } = this.#memory;
    outUntil.value = Math.min(outUntil.value, outSince.value + firstS * 1000);
  }

  /** Whether its time out has passed: what is not probed may be looked at again. */
  get mayReturn(): boolean {
    return this.#isTimeOver;
  }

  /** Back in use, warming up, with its counts forgotten. False when it was in use all the while. */
  recover(): boolean {
    const { condition, consecutive, timesOut, failures, requests, recoveredAt } = this.#memory;
    if (CONDITIONS[condition.swap(0)] === "healthy") return false;
    for (const count of [consecutive, timesOut, failures, requests]) count.value = 0;
    recoveredAt.value = this.now();
    return true;
  }
}
