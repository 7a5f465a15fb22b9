// Asks each private instance of the fleet the same question again and again, with jitter: one round after
// another. One that gives nothing is asked less and less often. What is asked is left to the caller.

import { guarded } from "../observe/guarded.ts";
import type { Fleet } from "./fleet.ts";
import type { Instance } from "./instance.ts";

/** One that never has an answer is asked this often at last. */
const LONGEST_S = 60;

/** Asks an instance; whether that gave anything. One that rejects is told in the log, and gave nothing. */
export type Question = (instance: Instance) => Promise<boolean>;

const anybody = () => true;

interface Round {
  timer: ReturnType<typeof setTimeout> | null;
  /** Questions in a row that gave nothing. */
  vain: number;
}

export class Rounds {
  /** By the id of the instance. */
  readonly #rounds = new Map<string, Round>();
  #intervalS = LONGEST_S;

  constructor(
    private readonly fleet: Fleet,
    private readonly ask: Question,
    private readonly random: () => number,
  ) {}

  /**
   * Asks the private instances of the fleet as it is now that are wanted, every `intervalS` seconds; null for
   * nobody.
   */
  configure(intervalS: number | null, isWanted: (instance: Instance) => boolean = anybody): void {
    this.#intervalS = intervalS ?? LONGEST_S;
    // A fallback is often somebody else's service.
    const asked = intervalS === null
      ? []
      : this.fleet.instances.filter((one) => !one.config.fallback && isWanted(one));
    const wanted = new Set(asked.map(({ config }) => config.id));
    for (const [id, round] of this.#rounds) {
      if (wanted.has(id)) continue;
      if (round.timer !== null) clearTimeout(round.timer);
      this.#rounds.delete(id);
    }
    for (const id of wanted) {
      if (this.#rounds.has(id)) continue;
      const round = { timer: null, vain: 0 };
      this.#rounds.set(id, round);
      this.#schedule(id, round, 0.1 * this.random());
    }
  }

  close(): void {
    for (const { timer } of this.#rounds.values()) if (timer !== null) clearTimeout(timer);
    this.#rounds.clear();
  }

  #schedule(id: string, round: Round, inS: number): void {
    round.timer = setTimeout(() => this.#run(id, round), inS * 1000);
    Deno.unrefTimer(Number(round.timer));
  }

  async #run(id: string, round: Round): Promise<void> {
    round.timer = null;
    const instance = this.fleet.instances.find(({ config }) => config.id === id);
    let gave = false;
    // What one instance says must not end the process that serves all.
    await guarded("a question to an instance", async () => {
      gave = instance !== undefined && await this.ask(instance);
    });
    if (this.#rounds.get(id) !== round) return;
    round.vain = gave ? 0 : round.vain + 1;
    const longest = Math.max(LONGEST_S, this.#intervalS);
    // One that is silent for a moment is asked again as usual.
    const intervalS = Math.min(longest, this.#intervalS * 2 ** Math.max(0, round.vain - 2));
    this.#schedule(id, round, intervalS * (0.9 + 0.2 * this.random()));
  }
}
