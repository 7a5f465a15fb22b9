// What all workers must agree on, in one SharedArrayBuffer: an area for each owner, one behind the other,
// and the lock that guards them. What the numbers mean is left to the owners.

import { MAX_PLACES } from "../config/room.ts";
import { RoutingMemory } from "./load/routing_memory.ts";
import { AddressMemory } from "./memory/address_memory.ts";
import { BodyMemory } from "./memory/body_memory.ts";
import { FleetMemory } from "./memory/fleet_memory.ts";
import { KillerMemory } from "./memory/killer_memory.ts";
import { Layout } from "./memory/layout.ts";
import { LimitMemory } from "./memory/limit_memory.ts";
import { LineMemory } from "./memory/line_memory.ts";
import { Lock } from "./memory/lock.ts";
import { SaturatedMemory } from "./memory/saturated_memory.ts";
import { StoredMemory } from "./memory/stored_memory.ts";
import { TurnedAwayMemory } from "./memory/turned_away_memory.ts";
import { Workers } from "./memory/worker_counts.ts";

export { MAX_ADDRESSES } from "./memory/address_memory.ts";

/** Room for instances and models. */
const MAX_SLOTS = MAX_PLACES;

/** The areas in their order in the memory, the same in every isolate. */
function areas(layout: Layout, worker: number) {
  const workers = new Workers(layout, worker);
  return {
    lock: new Lock(layout, worker),
    fleet: new FleetMemory(layout, MAX_SLOTS, workers),
    line: new LineMemory(layout, MAX_SLOTS, workers),
    stored: new StoredMemory(layout),
    addresses: new AddressMemory(layout, workers),
    routing: new RoutingMemory(layout, MAX_SLOTS, workers),
    limits: new LimitMemory(layout, workers),
    saturated: new SaturatedMemory(layout, workers),
    turnedAway: new TurnedAwayMemory(layout),
    killers: new KillerMemory(layout),
    bodies: new BodyMemory(layout, workers),
  };
}

/** The memory behind all counters; the same buffer is mapped by every worker. */
export class SharedState {
  /** Numbers of the instances, by slot. */
  readonly fleet: FleetMemory;
  /** Who waits for each model, by slot. */
  readonly line: LineMemory;
  readonly stored: StoredMemory;
  readonly addresses: AddressMemory;
  /** What was sent where, and what is known of instances and models, by slot. */
  readonly routing: RoutingMemory;
  /** What callers have used of their limits; guarded by a lock of its own. */
  readonly limits: LimitMemory;
  readonly saturated: SaturatedMemory;
  readonly turnedAway: TurnedAwayMemory;
  /** Requests that have killed engines. */
  readonly killers: KillerMemory;
  /** What is held of request bodies. */
  readonly bodies: BodyMemory;
  readonly #lock: Lock;

  static create(): SharedState {
    const measure = new Layout(null);
    areas(measure, 0);
    return new SharedState(new SharedArrayBuffer(measure.bytes), 0);
  }

  /** Maps `buffer` for the worker with number `worker` (0 to MAX_WORKERS - 1). */
  constructor(readonly buffer: SharedArrayBuffer, readonly worker: number) {
    const all = areas(new Layout(buffer), worker);
    const { lock, fleet, line, stored, addresses, routing, limits } = all;
    this.#lock = lock;
    this.fleet = fleet;
    this.line = line;
    this.stored = stored;
    this.addresses = addresses;
    this.routing = routing;
    this.limits = limits;
    this.saturated = all.saturated;
    this.turnedAway = all.turnedAway;
    this.killers = all.killers;
    this.bodies = all.bodies;
  }

  /** Runs `body` while no other worker runs one: picks and their claims are one step. Not reentrant. */
  locked<T>(body: () => T): T {
    return this.#lock.run(body);
  }

  /**
   * Forgets a worker that died: a lock that it held is opened, its leases and probes are released, those
   * who waited in it are out of the line, its clients' connections and their bodies are gone.
   */
  dropWorker(worker: number): void {
    this.#lock.dropWorker(worker);
    this.fleet.dropWorker(worker);
    this.line.dropWorker(worker);
    this.addresses.dropWorker(worker);
    this.routing.dropWorker(worker);
    this.limits.dropWorker(worker);
    this.saturated.dropWorker(worker);
    this.bodies.dropWorker(worker);
  }
}
