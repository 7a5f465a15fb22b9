// One attempt as routing has it on its books, from the pick to the end. Whatever becomes of it, the books are
// balanced once.

import type { RoutingMemory } from "../load/routing_memory.ts";
import type { PromptChain } from "../prefix/chain.ts";
import type { PrefixSeed } from "../prefix/prefix_index.ts";

/** The model whose prompts are placed. */
export interface RoutedModel {
  /** So that prompts of two models have nothing in common. */
  readonly seed: PrefixSeed;
  /** The slot under which numbers of the model are kept. */
  readonly slot: number;
}

/** What was known when it was placed. */
export interface Placed {
  /** Tokens that the instance has to compute. */
  readonly work: number;
  /** Tokens that should be cached there, and the chunks of the prompt that these are. */
  readonly foretold: number;
  readonly known: number;
  /** The instance had no other prompt of this gateway to compute. */
  readonly isAlone: boolean;
  /** Milliseconds of the pool's clock. */
  readonly at: number;
}

/** Less work says nothing of an instance's speed. */
const LEAST_WORK = 600;

export class Placement {
  #isAnswered = false;
  #isOver = false;

  constructor(
    private readonly memory: RoutingMemory,
    private readonly model: RoutedModel,
    private readonly chain: PromptChain,
    readonly slot: number,
    readonly placed: Placed,
  ) {}

  /** The first token came at `now`: its prompt has been computed. */
  firstToken(now: number): void {
    if (!this.#balance()) return;
    const { isAlone, work, at } = this.placed;
    if (isAlone && work > LEAST_WORK) {
      this.memory.learned.computed(this.slot, work, (now - at) / 1000);
    }
  }

  /** The head of a whole answer came: what it says of speed is mixed with that of the answer's tokens. */
  answered(): void {
    this.#balance();
  }

  /** The answer's own count of its prompt; `cached` where it says that, too. */
  usage(tokens: number, cached: number | null): void {
    const { chain, model } = this;
    this.#balance();
    if (chain.media.length === 0 && chain.ids === null) {
      this.memory.learned.counted(model.slot, chain.bytes, tokens);
    }
    if (cached !== null) this.memory.trust.answered(this.slot, cached, this.placed.foretold);
  }

  /** Its end, whatever it was: what was not computed is not held there. `locked` runs under the pool's lock. */
  ended(locked: (body: () => void) => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (!this.#balance()) return;
    if (this.placed.known === this.chain.length) return;
    locked(() =>
      this.memory.index.takeBack(this.slot, this.chain, this.model.seed, this.placed.known)
    );
  }

  /** Takes it off the books of what waits; false when it was. */
  #balance(): boolean {
    if (this.#isAnswered) return false;
    this.#isAnswered = true;
    this.memory.own.remove(this.slot, this.placed.work);
    return true;
  }
}
