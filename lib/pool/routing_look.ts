// What a scrape of metrics sees of routing: the numbers of each instance and what they come to for a model.

import type {
  RoutedInstanceLook,
  RoutedModelLook,
  RoutingLook,
} from "../observe/metrics/routing_look.ts";
import type { Instance } from "./instance.ts";
import { demandFor } from "./load/demand.ts";
import { USUAL_SPEED } from "./load/learned.ts";
import type { RoutingMemory } from "./load/routing_memory.ts";
import type { Pool } from "./pool.ts";

/** `now` in milliseconds of the fleet's clock. Changes nothing. */
export function lookAtRouting(
  memory: RoutingMemory,
  instances: readonly Instance[],
  pools: readonly Pool[],
  now: number,
): RoutingLook {
  return {
    instances: instances.map((one) => lookAtInstance(memory, one, now)),
    models: pools.map((pool) => lookAtModel(memory, pool, now)),
    replaced: memory.index.replaced,
  };
}

function lookAtInstance(
  { booked, learned, trust, own, seen, index }: RoutingMemory,
  { name, slot, slots, ranks }: Instance,
  now: number,
): RoutedInstanceLook {
  const ageMs = seen.ageMs(slot, now);
  // Where there are ranks, what is sent and believed is theirs.
  const engines = ranks.length === 0 ? slots : slots.slice(1);
  return {
    name,
    ...booked.of(slot),
    speed: sum(engines, (engine) => learned.speed(engine)) || null,
    trust: sum(engines, (engine) => trust.share(engine)) / engines.length,
    pending: sum(slots, (engine) => own.pending(engine)),
    unanswered: sum(slots, (engine) => own.unanswered(engine)),
    seen: ageMs === null ? null : { ...seen.last(slot), ageS: ageMs / 1000 },
    chunks: sum(slots, (engine) => index.ages.held(engine)),
  };
}

function lookAtModel(
  { learned, own, seen }: RoutingMemory,
  pool: Pool,
  now: number,
): RoutedModelLook {
  const serving = pool.privateInstances.filter((one) => one.takesRequests && !one.isOut);
  const loaded = serving.map(({ slot, slots, ranks, inFlight, config }) => ({
    backlog: sum(slots, (engine) => own.pending(engine)) +
      seen.othersWaiting(slot, now) * learned.work(pool.routedSlot ?? slot),
    speed: sum(
      ranks.length === 0 ? slots : slots.slice(1),
      (engine) => learned.speed(engine) || USUAL_SPEED,
    ),
    kvUsage: seen.isFresh(slot, now) ? seen.last(slot).kvUsage : null,
    requests: inFlight + seen.others(slot, now),
    slots: config.maxConcurrency,
  }));
  return { name: pool.model, ...demandFor(loaded, pool.waiting) };
}

function sum(slots: readonly number[], of: (slot: number) => number): number {
  let total = 0;
  for (const slot of slots) total += of(slot);
  return total;
}
