// Which place in the shared state belongs to which instance, rank and line; and what of a configuration has
// none, because there is no room.

import type { Config, InstanceConfig } from "../config/config.ts";
import { MAX_PLACES } from "../config/room.ts";
import type { SharedState } from "./shared_state.ts";

/** Under which the slots of an instance's ranks are found. */
const rankKey = (id: string, index: number) => `rank ${index} of ${id}`;

/** Those of all of its ranks, in their order; none where it has no ranks. */
export const rankKeys = ({ id, ranks }: InstanceConfig) =>
  Array.from({ length: ranks }, (_, index) => rankKey(id, index));

/** Under which the slot of a model's line is found among those of the instances. */
export const lineKey = (model: string) => `line of ${model}`;

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

/** The names of all models that instances serve. */
export function modelsOf(config: Config): Set<string> {
  return new Set(config.instances.flatMap((instance) => instance.models));
}
