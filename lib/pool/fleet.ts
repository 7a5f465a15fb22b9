// All instances of the current configuration, grouped by model, and the one place where leases begin
// and end. Survives reloads: an instance keeps its slot, and with it its counters and health, for as
// long as its url and models stay the same.

import type { Config } from "../config/config.ts";
import { strategies } from "./balancing/strategies.ts";
import { HEALTHY, Instance } from "./instance.ts";
import { Lease } from "./lease.ts";
import { type Outcome, OutlierDetection, type PoolEvent } from "./outlier.ts";
import { Pool } from "./pool.ts";
import { MAX_SLOTS, type SharedState } from "./shared_state.ts";

/** How often a queue looks for room that another worker's request has left. */
const QUEUE_POLL_MS = 10;

/** Gives each instance id a slot in the shared state; belongs to the main isolate alone. */
export class SlotTable {
  readonly #slots = new Map<string, number>();

  constructor(private readonly shared: SharedState) {}

  /** Slots for the instances of `config`. Slots of removed ones are reused only once they drained. */
  assign(config: Config): Record<string, number> {
    const wanted = new Set(config.instances.map((instance) => instance.id));
    for (const [id, slot] of this.#slots) {
      if (!wanted.has(id) && this.shared.inFlight(slot) === 0) this.#slots.delete(id);
    }
    const used = new Set(this.#slots.values());
    const slots: Record<string, number> = {};
    let next = 0;
    for (const id of wanted) {
      let slot = this.#slots.get(id);
      if (slot === undefined) {
        while (used.has(next)) next++;
        if (next >= MAX_SLOTS) throw new Error(`more than ${MAX_SLOTS} instances`);
        slot = next;
        used.add(slot);
        this.shared.clearSlot(slot);
        this.#slots.set(id, slot);
      }
      slots[id] = slot;
    }
    return slots;
  }
}

export class Fleet {
  #instances: readonly Instance[] = [];
  #pools = new Map<string, Pool>();
  #retired: Pool[] = [];
  readonly #outlier: OutlierDetection;
  #queuePoll: ReturnType<typeof setInterval> | null = null;
  #waiting = 0;

  constructor(
    readonly shared: SharedState,
    readonly now: () => number,
    onEvent: (event: PoolEvent) => void,
  ) {
    this.#outlier = new OutlierDetection(
      { errorThreshold: 1, errorWindowS: 1 },
      (instance) => this.#mayEject(instance),
      onEvent,
    );
  }

  /** Takes over a new configuration. Leases of the old one end as they began. */
  apply(config: Config, slots: Readonly<Record<string, number>>): void {
    this.#outlier.configure(config);
    this.#instances = config.instances.map((instance) =>
      new Instance(instance, slots[instance.id], this.shared, config.slowStartS, this.now)
    );
    const pools = new Map<string, Pool>();
    for (const model of new Set(this.#instances.flatMap((instance) => instance.config.models))) {
      const serving = this.#instances.filter((instance) => instance.config.models.includes(model));
      pools.set(
        model,
        new Pool(
          model,
          serving.filter((instance) => !instance.config.fallback),
          serving.filter((instance) => instance.config.fallback),
          strategies[config.strategy],
          config.queue,
          (pick) => this.#claim(pick),
          (change) => this.#countWaiting(change),
        ),
      );
    }
    // Those who wait in an old queue are served from the instances that they were promised.
    this.#retired = [...this.#retired, ...this.#pools.values()].filter((pool) =>
      pool.queue.length > 0
    );
    this.#pools = pools;
  }

  get instances(): readonly Instance[] {
    return this.#instances;
  }

  get models(): readonly string[] {
    return [...this.#pools.keys()];
  }

  pool(model: string): Pool | undefined {
    return this.#pools.get(model);
  }

  get outlier(): OutlierDetection {
    return this.#outlier;
  }

  close(): void {
    if (this.#queuePoll !== null) clearInterval(this.#queuePoll);
    this.#queuePoll = null;
  }

  #claim(pick: () => Instance | null): Lease | null {
    return this.shared.locked(() => {
      const instance = pick();
      return instance === null ? null : new Lease(instance, this.#ended);
    });
  }

  readonly #ended = (instance: Instance, outcome: Outcome, probe: boolean, error: string) => {
    this.#outlier.record(instance, outcome, probe, error);
    if (this.#waiting > 0) this.#serveQueues();
  };

  #serveQueues(): void {
    for (const pool of this.#pools.values()) pool.serveQueue();
    for (const pool of this.#retired) pool.serveQueue();
  }

  #countWaiting(change: 1 | -1): void {
    this.#waiting += change;
    this.shared.addWaiting(change);
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
      if (!members.some((member) => member.slot === instance.slot)) continue;
      if (members.length === 1) {
        if (pool.fallbacks.length === 0 || instance.config.fallback) return false;
        continue;
      }
      const out = members.filter((member) => member.shared.state[member.slot] !== HEALTHY).length;
      if (out + 1 > members.length / 2) return false;
    }
    return true;
  }
}
