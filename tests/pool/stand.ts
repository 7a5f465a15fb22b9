// A fleet without a network: instances by weight, a clock that the test turns.

import { loadConfig } from "../../lib/config/load.ts";
import type { Config } from "../../lib/config/config.ts";
import type { Ask } from "../../lib/pool/balancing/strategy.ts";
import { Fleet } from "../../lib/pool/fleet.ts";
import { SlotTable } from "../../lib/pool/slot_table.ts";
import type { PoolEvent } from "../../lib/pool/outlier.ts";
import type { Lease } from "../../lib/pool/lease.ts";
import { NO_CHAIN } from "../../lib/pool/prefix/chain.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import type { Instance } from "../../lib/pool/instance.ts";

export const NONE: ReadonlySet<Instance> = new Set();
export const any = () => true;

/** What a request of this priority asks for. */
export const ask = (priority: number): Ask => ({
  model: "m",
  priority,
  chain: NO_CHAIN,
  answerTokens: 0,
  session: 0,
  rank: null,
});

export function config(options: Record<string, unknown>): Config {
  const loaded = loadConfig("test", JSON.stringify(options), () => undefined);
  if (!loaded.ok) throw new Error(loaded.problems.map((problem) => problem.message).join("; "));
  return loaded.config;
}

export class FleetStand {
  clock = 1000;
  readonly events: PoolEvent[] = [];
  readonly shared: SharedState;
  readonly slots: SlotTable;
  readonly fleet: Fleet;

  constructor(options: Record<string, unknown>, shared = SharedState.create()) {
    this.shared = shared;
    this.slots = new SlotTable(shared);
    this.fleet = new Fleet(shared, () => this.clock, (event) => this.events.push(event));
    this.apply(options);
  }

  apply(options: Record<string, unknown>): void {
    const next = config({ slow_start: 0, ...options });
    this.fleet.apply(next, this.slots.assign(next));
  }

  get pool() {
    return this.fleet.pool("m")!;
  }

  instance(name: string): Instance {
    return this.fleet.instances.find((instance) => instance.name === name)!;
  }

  /** A lease on a private instance; throws when there is none. */
  take(tried = NONE): Lease {
    const lease = this.pool.acquire((instance) => !tried.has(instance));
    if (lease === null || lease === "full") throw new Error(`no lease: ${lease}`);
    return lease;
  }

  /** Takes a lease and ends it at once; the name of the instance. */
  once(outcome: "success" | "failure" | "neutral" = "success"): string {
    const lease = this.take();
    lease.release(outcome, "test");
    return lease.instance.name;
  }
}

/** Options with instances a, b, c … of these weights. */
export function weighted(weights: readonly number[], more: Record<string, unknown> = {}) {
  return {
    instances: weights.map((weight, index) => ({
      url: `http://10.0.0.${index + 1}:8000/v1`,
      model_name: "m",
      name: "abcdefgh"[index],
      weight,
    })),
    ...more,
  };
}
