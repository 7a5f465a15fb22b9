// An instance as the pool of one model has it: the same instance in every pool that it serves, with turns
// of its own in each, so that models which are asked for in turn do not divide the instances among them.

import type { Candidate } from "./balancing/strategy.ts";
import type { Instance } from "./instance.ts";
import type { TurnMemory } from "./memory/fleet_memory.ts";

export class Member implements Candidate {
  readonly #memory: TurnMemory;

  constructor(readonly instance: Instance, model: string) {
    this.#memory = instance.turnsFor(model);
  }

  get name(): string {
    return this.instance.name;
  }

  get slot(): number {
    return this.instance.slot;
  }

  get address(): number {
    return this.instance.addressKey;
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
    return this.instance.inFlight;
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
