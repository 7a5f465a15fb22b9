// What other gateways say of their requests at the instances, summed up by the main isolate for all workers.
// Who they are, and how old what they say may be, is left to lib/peers/.

import { IntCell, type Layout } from "../memory/layout.ts";

/** What other gateways told of their requests at an instance. */
export interface Told {
  underWay(slot: number): number;
  unanswered(slot: number): number;
  /** Tokens still to be computed. */
  pending(slot: number): number;
  /** Others are there and were not heard of for a while: what they sent where is not known. */
  readonly isLate: boolean;
}

export const NOBODY: Told = {
  underWay: () => 0,
  unanswered: () => 0,
  pending: () => 0,
  isLate: false,
};

export interface ToldLoad {
  readonly underWay: number;
  readonly unanswered: number;
  readonly pending: number;
}

export class ToldTraffic implements Told {
  readonly #underWay: Float64Array;
  readonly #unanswered: Float64Array;
  readonly #pending: Float64Array;
  readonly #late: IntCell;

  constructor(layout: Layout, slots: number) {
    this.#underWay = layout.doubles(slots);
    this.#unanswered = layout.doubles(slots);
    this.#pending = layout.doubles(slots);
    this.#late = new IntCell(layout.ints(1), 0);
  }

  underWay(slot: number): number {
    return this.#underWay[slot];
  }

  unanswered(slot: number): number {
    return this.#unanswered[slot];
  }

  pending(slot: number): number {
    return this.#pending[slot];
  }

  get isLate(): boolean {
    return this.#late.value === 1;
  }

  setLate(isLate: boolean): void {
    this.#late.value = isLate ? 1 : 0;
  }

  set(slot: number, { underWay, unanswered, pending }: ToldLoad): void {
    this.#underWay[slot] = underWay;
    this.#unanswered[slot] = unanswered;
    this.#pending[slot] = pending;
  }

  clear(slot: number): void {
    this.set(slot, { underWay: 0, unanswered: 0, pending: 0 });
  }
}
