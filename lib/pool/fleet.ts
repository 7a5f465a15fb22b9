// All instances of the current configuration, grouped by model, and the one place where leases begin
// and end. Survives reloads: an instance keeps its slot, and with it its counters and health, for as
// long as its url and models stay the same.

import type { Config } from "../config/config.ts";
import { under, upstreamName } from "../config/names.ts";
import type { RoutingWeights } from "../config/routing.ts";
import type { RoutingLook } from "../observe/metrics/routing_look.ts";
import { Router } from "./balancing/router.ts";
import { strategies } from "./balancing/strategies.ts";
import { Instance } from "./instance.ts";
import { hashOf } from "./memory/hash_table.ts";
import { Lease, type LeaseOwner } from "./lease.ts";
import { Line } from "./line.ts";
import { OutlierDetection, type PoolEvent } from "./outlier.ts";
import { type Claim, Pool } from "./pool.ts";
import { PromptHasher } from "./prefix/chain.ts";
import type { InstanceLoad } from "./load/vllm_metrics.ts";
import { lookAtRouting } from "./routing_look.ts";
import type { SharedState } from "./shared_state.ts";
import { lineKey, modelsOf, rankKeys } from "./slot_table.ts";
import { Watchdog } from "./watchdog.ts";

/** How often a queue looks for room that another worker's request has left. */
const QUEUE_POLL_MS = 2;

/** After these an instance's cache is empty. */
const LOSE_CACHE: ReadonlySet<PoolEvent["kind"]> = new Set(["instance_down", "instance_asleep"]);

export class Fleet implements LeaseOwner {
  #instances: readonly Instance[] = [];
  #pools = new Map<string, Pool>();
  #retired: Pool[] = [];
  #lineSlots: number[] = [];
  readonly outlier: OutlierDetection;
  readonly watchdog: Watchdog;
  readonly #hasher = new PromptHasher();
  #queuePoll: ReturnType<typeof setInterval> | null = null;
  #waiting = 0;

  constructor(
    readonly shared: SharedState,
    readonly now: () => number,
    onEvent: (event: PoolEvent) => void,
  ) {
    this.outlier = new OutlierDetection(
      { errorThreshold: 1, errorWindowS: 1, ejectionTimeS: 1, maxEjectionTimeS: 1 },
      (instance) => this.#mayEject(instance),
      (event) => {
        if (LOSE_CACHE.has(event.kind)) this.#forget(event.instance);
        onEvent(event);
      },
    );
    this.watchdog = new Watchdog(
      now,
      (instance, message) => this.outlier.markHung(instance, message),
    );
  }

  /** Takes over a new configuration. Leases of the old one end as they began. */
  apply(config: Config, slots: Readonly<Record<string, number>>): void {
    const isReload = this.#instances.length > 0;
    this.outlier.configure(config);
    this.watchdog.configure(config);
    this.#instances = config.instances.map((instance) => {
      // Where there was no room for them it is one place.
      const ranks = rankKeys(instance).map((key) => slots[key]).filter((slot) =>
        slot !== undefined
      );
      return new Instance(instance, slots[instance.id], this.shared, config, this.now, ranks);
    });
    if (isReload) { for (const instance of this.#instances) this.outlier.forgive(instance); }
    for (const pool of this.#pools.values()) pool.queue.retire();
    this.shared.routing.seen.staleAfterMs = (config.scrape?.staleAfterS ?? 0) * 1000;
    for (const instance of this.#instances) {
      const { kvTokens } = instance.config;
      if (kvTokens !== null) this.shared.locked(() => this.#setCapacity(instance, kvTokens));
    }
    const pools = new Map<string, Pool>();
    const { looksAtPrompts, make } = strategies[config.strategy];
    const pins = config.routing.session?.mode === "pin";
    const tellsAll = config.routing.header === "full";
    for (const model of modelsOf(config)) {
      const serving = this.#instances.filter((instance) => instance.config.models.includes(model));
      const weights = under(config.routing.models, model) ?? config.routing.weights;
      const router = this.#router(model, serving[0], slots[lineKey(model)], weights, pins);
      pools.set(
        model,
        new Pool(model, {
          privateInstances: serving.filter((instance) => !instance.config.fallback),
          fallbacks: serving.filter((instance) => instance.config.fallback),
          strategy: make(router),
          queue: config.queue,
          claim: this.#claim,
          line: new Line(this.shared, slots[lineKey(model)]),
          onWaiting: (change) => this.#countWaiting(change),
          routing: looksAtPrompts ? { router, hasher: this.#hasher, tellsAll } : null,
        }),
      );
    }
    // Those who wait in an old queue are served from the instances that they were promised.
    this.#retired = [...this.#retired, ...this.#pools.values()].filter((pool) =>
      pool.queue.length > 0
    );
    this.#pools = pools;
    this.#lineSlots = [...pools.keys()].map((model) => slots[lineKey(model)]);
  }

  get instances(): readonly Instance[] {
    return this.#instances;
  }

  get models(): readonly string[] {
    return [...this.#pools.keys()];
  }

  /** Requests that wait for room, in all workers. */
  get waiting(): number {
    let sum = 0;
    for (const slot of this.#lineSlots) sum += this.shared.line.length(slot);
    return sum;
  }

  pool(model: string): Pool | undefined {
    return this.#pools.get(model);
  }

  close(): void {
    this.watchdog.close();
    if (this.#queuePoll !== null) clearInterval(this.#queuePoll);
    this.#queuePoll = null;
  }

  /** Prompts of two models have nothing in common, those of two names of one model have. */
  #router(
    model: string,
    { config }: Instance,
    slot: number,
    weights: RoutingWeights,
    pins: boolean,
  ): Router {
    const name = hashOf(upstreamName(config, model));
    const seed = { first: name | 0, second: (name / 2 ** 32) | 0 };
    return new Router(
      this.shared.routing,
      { seed, slot },
      weights,
      this.now,
      this.shared.routing.told,
      pins,
    );
  }

  readonly #claim: Claim = (pick, others, place) =>
    this.shared.locked(() => {
      const spot = pick();
      return spot === null ? null : new Lease(spot.instance, others, this, place(spot), spot.rank);
    });

  /**
   * What an instance's metrics say, of all and of each of its ranks, in their order. Returns whether it was
   * started anew.
   */
  scraped(instance: Instance, load: InstanceLoad, ranks: readonly InstanceLoad[] = []): boolean {
    return this.shared.locked(() => {
      const { routing } = this.shared;
      const isAnew = routing.scraped(instance.slot, load, instance.inFlight, this.now());
      instance.ranks.forEach(({ slot, inFlight }, index) => {
        if (index < ranks.length) routing.scraped(slot, ranks[index], inFlight, this.now());
      });
      const tokens = instance.config.kvTokens ?? load.kvTokens;
      if (tokens !== null) this.#setCapacity(instance, tokens);
      return isAnew;
    });
  }

  /** Its KV cache holds so many tokens, all ranks together. Under the pool's lock. */
  #setCapacity({ slot, ranks }: Instance, tokens: number): void {
    const { routing } = this.shared;
    routing.setCapacity(slot, tokens);
    for (const rank of ranks) routing.setCapacity(rank.slot, tokens / ranks.length);
  }

  /** Whether what is foretold for its ranks, all together, comes true. */
  heedsRanks({ slot }: Instance): boolean {
    return this.shared.routing.trust.isOn(slot);
  }

  /** What routing knows and did; null where the strategy does not look at prompts. */
  routingLook(): RoutingLook | null {
    const pools = [...this.#pools.values()];
    if (pools.every((pool) => pool.routedSlot === null)) return null;
    return lookAtRouting(this.shared.routing, this.#instances, pools, this.now());
  }

  locked<T>(body: () => T): T {
    return this.shared.locked(body);
  }

  /** The instance of that name has lost what it held. */
  #forget(name: string): void {
    const lost = this.#instances.find((instance) => instance.name === name);
    if (lost !== undefined) this.lostCache(lost);
  }

  saidLoad({ slot }: Instance, waiting: number | null, kvUsage: number | null): void {
    this.shared.locked(() => {
      const { seen, own } = this.shared.routing;
      seen.said(slot, waiting, kvUsage, own.unanswered(slot), this.now());
    });
  }

  lostCache({ slots }: Instance): void {
    this.shared.locked(() => {
      for (const slot of slots) this.shared.routing.restarted(slot);
    });
  }

  /** A lease has ended: somebody who waits may have its place. */
  released(): void {
    if (this.#waiting > 0) this.#serveQueues();
  }

  #serveQueues(): void {
    for (const pool of this.#pools.values()) pool.serveQueue();
    for (const pool of this.#retired) pool.serveQueue();
  }

  #countWaiting(change: 1 | -1): void {
    this.#waiting += change;
    if (this.#waiting > 0 && this.#queuePoll === null) {
      this.#queuePoll = setInterval(() => this.#serveQueues(), QUEUE_POLL_MS);
    } else if (this.#waiting === 0 && this.#queuePoll !== null) {
      clearInterval(this.#queuePoll);
      this.#queuePoll = null;
    }
  }

  /** At most half of a pool may be out by ejection; a lone instance only where a fallback stands by. */
  #mayEject(instance: Instance): boolean {
    for (const pool of this.#pools.values()) {
      const members = instance.config.fallback ? pool.fallbacks : pool.privateInstances;
      if (!members.some((member) => member.config.id === instance.config.id)) continue;
      if (members.length === 1) {
        if (pool.fallbacks.length === 0 || instance.config.fallback) return false;
        continue;
      }
      const out = members.filter((member) => member.isOut).length;
      if (out + 1 > members.length / 2) return false;
    }
    return true;
  }
}
