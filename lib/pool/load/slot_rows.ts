// Doubles of every slot by their names, in the memory that workers share. What they mean is their owner's
// affair; the last one to write is right.

import type { Layout } from "../memory/layout.ts";

export class SlotRows<Name extends string> {
  /** The doubles of all slots by their name, for those who want many of them. */
  readonly row: Readonly<Record<Name, Float64Array>>;

  /** A row of all slots for each name, zero at first. */
  constructor(layout: Layout, slots: number, private readonly names: readonly Name[]) {
    const rows = names.map((name) => [name, layout.doubles(slots)]);
    this.row = Object.fromEntries(rows);
  }

  get(name: Name, slot: number): number {
    return this.row[name][slot];
  }

  set(name: Name, slot: number, value: number): void {
    this.row[name][slot] = value;
  }

  add(name: Name, slot: number, change: number): void {
    this.row[name][slot] += change;
  }

  /** Makes `slot` fresh. */
  clear(slot: number): void {
    for (const name of this.names) this.row[name][slot] = 0;
  }
}
