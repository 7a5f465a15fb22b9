// The data-parallel ranks behind one address: an engine each, and which of them a request goes to.

import { badParameter } from "./errors.ts";
import type { Engine } from "./engine.ts";
import type { Request } from "./http_request.ts";

export class Ranks {
  /** Where the search for the idlest rank begins. */
  #turn = 0;

  constructor(readonly engines: readonly Engine[]) {}

  /** vLLM's engines are lost together. */
  get isDead(): boolean {
    return this.engines[0].dead;
  }

  /** The rank that the client names, else the one with the least to do, as vLLM counts that. */
  engineFor({ headers }: Request): Engine {
    const { engines } = this;
    const named = headers["x-data-parallel-rank"];
    // What is no whole number is passed over.
    if (named !== undefined && /^\s*[-+]?\d+\s*$/.test(named)) {
      const rank = Number(named);
      if (rank >= 0 && rank < engines.length) return engines[rank];
      throw badParameter(
        `data_parallel_rank ${rank} is out of range [0, ${engines.length}).`,
        "data_parallel_rank",
      );
    }
    const load = ({ metrics: { running, waiting } }: Engine) => 4 * waiting + running;
    const start = this.#turn++ % engines.length;
    let least = engines[start];
    for (let at = 1; at < engines.length; at++) {
      const engine = engines[(start + at) % engines.length];
      if (load(engine) < load(least)) least = engine;
    }
    return least;
  }
}
