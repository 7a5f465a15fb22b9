// All instances of the current configuration, grouped by model, and the one place where leases begin
// and end. Survives reloads: an instance keeps its slot, and with it its counters and health, for as
// long as its url and models stay the same.

import type { Config, InstanceConfig } from "../config/config.ts";
import { under, upstreamName } from "../config/names.ts";
import { MAX_PLACES } from "../config/room.ts";
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
import { Watchdog } from "./watchdog.ts";

/** How often a queue looks for room that another worker's request has left. */
const QUEUE_POLL_MS = 2;

/** After these an instance's cache is empty. */
const LOSE_CACHE: ReadonlySet<PoolEvent["kind"]> = new Set(["instance_down", "instance_asleep"]);

/** Under which the slots of an instance's ranks are found. */
const rankKey = (id: string, index: number) => `rank ${index} of ${id}`;

const rankKeys = ({ id, ranks }: InstanceConfig) =>
  Array.from({ length: ranks }, (_, index) => rankKey(id, index));

/** Under which the slot of a model's line is found among those of the instances. */
const lineKey = (model: string) => `line of ${model}`;

/** The shared state has no room for so many. */
export class NoRoomError extends Error {}

/** What of a configuration has room, and names of what has none. */
export interface Fitting {
  readonly config: Config;
  readonly leftOut: readonly string[];
}

/** Gives each instance id and each model a slot in the shared state; belongs to the main isolate alone. */
export class SlotTable {
  readonly #slots = new Map<string, number>();

  constructor(private readonly shared: SharedState) {}

  /**
   * Slots for what `config` names: for its instances and models all of them, for ranks as far as there is
   * room; an instance has those of all of its ranks or none. Slots of removed ones are reused only once they
   * drained. Where instances and models alone are too many, NoRoomError, and all is as it was.
   */
  assign(config: Config): Record<string, number> {
    const wanted = new Set(config.instances.map((instance) => instance.id));
    for (const model of modelsOf(config)) wanted.add(lineKey(model));
    const taken = new Set(wanted);
    for (const [key, slot] of this.#slots) if (!this.#hasDrained(slot)) taken.add(key);
    if (taken.size > MAX_PLACES) {
      const leaving = taken.size - wanted.size;
      const beside = leaving === 0 ? "" : `, beside ${leaving} that still have requests`;
      throw new NoRoomError(
        `${wanted.size} instances and models${beside}: there is room for ${MAX_PLACES}`,
      );
    }
    for (const keys of this.#ranksByClaim(config)) {
      const more = keys.filter((key) => !taken.has(key));
      if (taken.size + more.length > MAX_PLACES) continue;
      for (const key of keys) {
        taken.add(key);
        wanted.add(key);
      }
    }
    for (const key of this.#slots.keys()) if (!taken.has(key)) this.#slots.delete(key);
    const used = new Set(this.#slots.values());
    const slots: Record<string, number> = {};
    let next = 0;
    for (const key of wanted) {
      let slot = this.#slots.get(key);
      if (slot === undefined) {
        while (used.has(next)) next++;
        slot = next;
        used.add(slot);
        this.shared.fleet.clear(slot);
        this.#forget(slot);
        this.#slots.set(key, slot);
      }
      slots[key] = slot;
    }
    return slots;
  }

  /**
   * `whole` without instances and models that there is no room for beside `named`, a part of it; those that
   * have slots already come first. Where `named` alone is too much, `assign` throws.
   */
  fitting(named: Config, whole: Config): Fitting {
    const kept = new Set(keysOf(named));
    const others = keysOf(whole).filter((key) => !kept.has(key));
    if (others.length === 0) return { config: whole, leftOut: [] };
    for (const [key, slot] of this.#slots) if (!this.#hasDrained(slot)) kept.add(key);
    const holds = (key: string) => this.#slots.has(key);
    for (const key of [...others.filter(holds), ...others.filter((key) => !holds(key))]) {
      if (kept.size < MAX_PLACES) kept.add(key);
    }
    const hasRoom = (model: string) => kept.has(lineKey(model));
    const leftOut = whole.instances.filter(({ id }) => !kept.has(id)).map(({ name }) => name);
    leftOut.push(...[...modelsOf(whole)].filter((model) => !hasRoom(model)));
    if (leftOut.length === 0) return { config: whole, leftOut };
    const instances = whole.instances.filter(({ id }) => kept.has(id)).map((one) =>
      one.models.every(hasRoom) ? one : { ...one, models: one.models.filter(hasRoom) }
    );
    return { config: Object.freeze({ ...whole, instances }), leftOut };
  }

  /** Whether each instance of `config` has the slots of all of its ranks among `slots`. */
  holdsRanks({ instances }: Config, slots: Readonly<Record<string, number>>): boolean {
    return instances.every((one) => rankKeys(one).every((key) => slots[key] !== undefined));
  }

  #hasDrained(slot: number): boolean {
    return this.shared.fleet.inFlight(slot) === 0 && this.shared.line.length(slot) === 0;
  }

  /** Of each instance that has ranks their keys; first of those that have slots already. */
  #ranksByClaim(config: Config): string[][] {
    const all = config.instances.map(rankKeys).filter((keys) => keys.length > 0);
    const holds = (keys: string[]) => keys.every((key) => this.#slots.has(key));
    return [...all.filter(holds), ...all.filter((keys) => !holds(keys))];
  }

  /** What routing knows of the one that had the slot before. */
  #forget(slot: number): void {
    this.shared.locked(() => this.shared.routing.clear(slot));
  }
}

/** Of each instance in its order, and of its models. */
function keysOf(config: Config): string[] {
  const keys = config.instances.flatMap(({ id, models }) => [id, ...models.map(lineKey)]);
  return [...new Set(keys)];
}

function modelsOf(config: Config): Set<string> {
  return new Set(config.instances.flatMap((instance) => instance.models));
}

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
