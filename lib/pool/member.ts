// A place of a model's pool: an instance, or one of its data-parallel ranks. The same instance is in every pool
// that it serves, with turns of its own in each, so that models which are asked for in turn do not divide the
// instances among them.

import type { Candidate } from "./balancing/strategy.ts";
import type { Instance } from "./instance.ts";
import type { TurnMemory } from "./memory/fleet_memory.ts";
import type { Rank } from "./rank.ts";

/** Where a request goes. */
export interface Spot {
  readonly instance: Instance;
  readonly slot: number;
  readonly name: string;
  /** null for the instance as a whole. */
  readonly rank: Rank | null;
}

export class Member implements Candidate, Spot {
  readonly #memory: TurnMemory;
  readonly #itself: readonly [Member];
  readonly #ranks: readonly Member[];
  readonly slot: number;
  readonly address: number;
  readonly name: string;

  constructor(readonly instance: Instance, model: string, readonly rank: Rank | null = null) {
    this.#memory = rank === null
      ? instance.turnsFor(model)
      : rank.turn(instance.config.models.indexOf(model));
    this.slot = (rank ?? instance).slot;
    this.address = (rank ?? instance).addressKey;
    this.name = (rank ?? instance).name;
    this.#itself = [this];
    this.#ranks = rank === null
      ? instance.ranks.map((one) => new Member(instance, model, one))
      : [];
  }

  /**
   * Where a request may go here: its ranks, where it has several. `named` is the rank that the client names,
   * for those who let it; one that is not there is the instance's to refuse.
   */
  spots(named: number | null): readonly Member[] {
    if (this.#ranks.length === 0 || this.instance.refusesRanks) return this.#itself;
    if (named === null || this.instance.config.dataParallel !== "client") return this.#ranks;
    return named < this.#ranks.length ? [this.#ranks[named]] : this.#itself;
  }

  get weight(): number {
    return this.instance.weight;
  }

  get warmth(): number {
    return this.instance.weight / this.instance.config.weight;
  }

  get contextLength(): number | null {
    return this.instance.contextLength;
  }

  get inFlight(): number {
    return (this.rank ?? this.instance).inFlight;
  }

  get turn(): number {
    return this.#memory.turn.value;
  }
  set turn(value: number) {
    this.#memory.turn.value = value;
  }

  get lastPick(): number {
    return this.#memory.lastPick.value;
  }
  set lastPick(value: number) {
    this.#memory.lastPick.value = value;
  }
}
