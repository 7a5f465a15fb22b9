// One data-parallel rank of an instance: an engine with a KV cache and a queue of its own, behind the address that
// all ranks share. Health, weight and room are the instance's; what is cached and computed where is the rank's.

import type { InFlight, InstanceMemory, TurnMemory } from "./memory/fleet_memory.ts";
import type { SharedState } from "./shared_state.ts";

export class Rank {
  readonly #memory: InstanceMemory;
  readonly #inFlight: InFlight;

  /** `index`: as `x-data-parallel-rank` names it. `slot`: its place in the shared memory. */
  constructor(
    readonly index: number,
    readonly slot: number,
    readonly name: string,
    /** A number that stands for it, the same in all gateways and after a restart. */
    readonly addressKey: number,
    shared: SharedState,
  ) {
    this.#memory = shared.fleet.at(slot);
    this.#inFlight = this.#memory.inFlight;
  }

  get inFlight(): number {
    return this.#inFlight.count;
  }

  begin(): void {
    this.#inFlight.add(1);
  }

  end(): void {
    this.#inFlight.add(-1);
  }

  /** The balancer's memory for the instance's model at `index`. */
  turn(index: number): TurnMemory {
    return this.#memory.turn(index);
  }
}
