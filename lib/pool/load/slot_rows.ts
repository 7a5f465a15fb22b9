// Doubles of every slot by their names, in the memory that workers share. What they mean is their owner's
// affair; the last one to write is right.

import type { Layout } from "../memory/layout.ts";

export class SlotRows<Name extends string> {
  readonly #values: Float64Array;
  readonly #rows: ReadonlyMap<string, number>;

  /** A row of all slots for each name, zero at first. */
  constructor(layout: Layout, slots: number, names: readonly Name[]) {
    this.#values = layout.doubles(names.length * slots);
    this.#rows = new Map(names.map((name, index) => [name, index * slots]));
  }

  get(name: Name, slot: number): number {
    return this.#values[this.#rows.get(name)! + slot];
  }

  set(name: Name, slot: number, value: number): void {
    this.#values[this.#rows.get(name)! + slot] = value;
  }

  add(name: Name, slot: number, change: number): void {
    this.#values[this.#rows.get(name)! + slot] += change;
  }

  /** Makes `slot` fresh. */
  clear(slot: number): void {
    for (const row of this.#rows.values()) this.#values[row + slot] = 0;
  }
}
