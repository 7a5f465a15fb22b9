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
  { name, slot }: Instance,
  now: number,
): RoutedInstanceLook {
  const ageMs = seen.ageMs(slot, now);
  return {
    name,
    ...booked.of(slot),
    speed: learned.speed(slot) || null,
    trust: trust.share(slot),
    pending: own.pending(slot),
    unanswered: own.unanswered(slot),
    seen: ageMs === null ? null : { ...seen.last(slot), ageS: ageMs / 1000 },
    chunks: index.ages.held(slot),
  };
}

function lookAtModel(
  { learned, own, seen }: RoutingMemory,
  pool: Pool,
  now: number,
): RoutedModelLook {
  const serving = pool.privateInstances.filter((one) => one.takesRequests && !one.isOut);
  const loaded = serving.map(({ slot, inFlight, config }) => ({
    backlog: own.pending(slot) +
      seen.othersWaiting(slot, now) * learned.work(pool.routedSlot ?? slot),
    speed: learned.speed(slot) || USUAL_SPEED,
    kvUsage: seen.isFresh(slot, now) ? seen.last(slot).kvUsage : null,
    requests: inFlight + seen.others(slot, now),
    slots: config.maxConcurrency,
  }));
  return { name: pool.model, ...demandFor(loaded, pool.waiting) };
}
