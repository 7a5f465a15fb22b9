// The numbers of every instance, a slot for each, and the balancer's memory for each of its models. What
// they mean is known to instance.ts alone, which gets the numbers of its own slot.

import { DoubleCell, IntCell, type Layout } from "./layout.ts";
import { WorkerCounts, type Workers } from "./worker_counts.ts";

/** Models of one instance that have turns of their own; further ones share them. */
export const MAX_TURNS = 64;
/**
 * Counts of suspects, which are few. Instances that share one, where there are more, have one suspect at a time
 * between them.
 */
const SUSPECT_COUNTS = 64;

const INTS = [
  "condition",
  "probing",
  "consecutive",
  "timesOut",
  "requests",
  "failures",
  "contextLength",
] as const;
const DOUBLES = [
  "outSince",
  "outUntil",
  "recoveredAt",
  "busySince",
  "busyUntil",
  "windowStart",
  "lastProgress",
  "engineDiedAt",
  "killerFoundAt",
] as const;

/** The numbers of one instance. Times are milliseconds of the process-wide monotonic clock, 0 for never. */
export interface InstanceMemory {
  /** One of the conditions of instance.ts. */
  readonly condition: IntCell;
  /** Number of the worker (plus 1) whose probe request of the instance is under way, or 0. */
  readonly probing: IntCell;
  /** Times in a row that it failed. */
  readonly consecutive: IntCell;
  /** How often in a row it was taken out; the next time is longer. */
  readonly timesOut: IntCell;
  /** Requests that ended (not neutral) and failures among them in the current error window. */
  readonly requests: IntCell;
  readonly failures: IntCell;
  /** `max_model_len` of its /v1/models; 0 when unknown. */
  readonly contextLength: IntCell;
  /** When it was last taken out, and when that is over. */
  readonly outSince: DoubleCell;
  readonly outUntil: DoubleCell;
  readonly recoveredAt: DoubleCell;
  /** When it asked to be left alone, and until when. */
  readonly busySince: DoubleCell;
  readonly busyUntil: DoubleCell;
  readonly windowStart: DoubleCell;
  /** When it last showed that its engine works. */
  readonly lastProgress: DoubleCell;
  /** When it first said that its engine was lost, the last time that it was. */
  readonly engineDiedAt: DoubleCell;
  /** When it was last found out which request had killed its engine. */
  readonly killerFoundAt: DoubleCell;
  readonly inFlight: InFlight;
  /** Of these, suspects that have nothing of their answers yet (trial.ts). */
  readonly suspects: InFlight;
  /** How many suspects have ever come. */
  readonly suspectsCame: IntCell;
  /** The balancer's memory for the instance's model at `index`. */
  turn(index: number): TurnMemory;
}

/** A balancer's memory for one model at one instance. */
export interface TurnMemory {
  readonly turn: DoubleCell;
  readonly lastPick: DoubleCell;
}

/** Requests in flight to one instance, all or some of them. */
export class InFlight {
  constructor(private readonly counts: WorkerCounts, private readonly slot: number) {}

  /** Over all workers. */
  get count(): number {
    return this.counts.sum(this.slot);
  }

  add(change: 1 | -1): void {
    this.counts.add(this.slot, change);
  }
}

export class FleetMemory {
  readonly #inFlight: WorkerCounts;
  readonly #suspects: WorkerCounts;
  readonly #suspectsCame: Int32Array;
  /** A row of all slots for each name. */
  readonly #ints: Int32Array;
  readonly #doubles: Float64Array;
  /** Turns and last picks, MAX_TURNS of each for every slot. */
  readonly #turns: Float64Array;

  constructor(layout: Layout, private readonly slots: number, private readonly workers: Workers) {
    this.#inFlight = new WorkerCounts(layout, slots, workers);
    this.#suspects = new WorkerCounts(layout, SUSPECT_COUNTS, workers);
    this.#suspectsCame = layout.ints(SUSPECT_COUNTS);
    this.#ints = layout.ints(INTS.length * slots);
    this.#doubles = layout.doubles(DOUBLES.length * slots);
    this.#turns = layout.doubles(2 * MAX_TURNS * slots);
  }

  /** The numbers of the instance in `slot`. */
  at(slot: number): InstanceMemory {
    const ints = Object.fromEntries(
      INTS.map((name, row) => [name, new IntCell(this.#ints, row * this.slots + slot)]),
    ) as Record<typeof INTS[number], IntCell>;
    const doubles = Object.fromEntries(
      DOUBLES.map((name, row) => [name, new DoubleCell(this.#doubles, row * this.slots + slot)]),
    ) as Record<typeof DOUBLES[number], DoubleCell>;
    return {
      ...ints,
      ...doubles,
      inFlight: new InFlight(this.#inFlight, slot),
      suspects: new InFlight(this.#suspects, slot % SUSPECT_COUNTS),
      suspectsCame: new IntCell(this.#suspectsCame, slot % SUSPECT_COUNTS),
      turn: (index) => {
        const at = 2 * (slot * MAX_TURNS + index % MAX_TURNS);
        return {
          turn: new DoubleCell(this.#turns, at),
          lastPick: new DoubleCell(this.#turns, at + 1),
        };
      },
    };
  }

  /** Requests in flight to the instance in `slot`, over all workers. */
  inFlight(slot: number): number {
    return this.#inFlight.sum(slot);
  }

  /** Requests in flight from this worker alone. */
  ownInFlight(slot: number): number {
    return this.#inFlight.own(slot);
  }

  /** Makes `slot` fresh for a new instance. */
  clear(slot: number): void {
    for (let row = 0; row < INTS.length; row++) this.#ints[row * this.slots + slot] = 0;
    for (let row = 0; row < DOUBLES.length; row++) this.#doubles[row * this.slots + slot] = 0;
    this.#turns.fill(0, 2 * slot * MAX_TURNS, 2 * (slot + 1) * MAX_TURNS);
  }

  /** Forgets the leases and probes of a worker that died. */
  dropWorker(worker: number): void {
    this.#inFlight.drop(worker);
    this.#suspects.drop(worker);
    const probing = INTS.indexOf("probing") * this.slots;
    for (let slot = 0; slot < this.slots; slot++) {
      Atomics.compareExchange(this.#ints, probing + slot, worker + 1, 0);
    }
  }

  /** What stands in `probing` while a probe of this worker is under way. */
  get prober(): number {
    return this.workers.own + 1;
  }
}
