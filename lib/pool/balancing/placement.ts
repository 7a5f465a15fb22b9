// One attempt as routing has it on its books, from the pick to the end. Whatever becomes of it, the books are
// balanced once.

import type { RoutingMemory } from "../load/routing_memory.ts";
import type { SessionPlace } from "../load/sessions.ts";
import type { PromptChain } from "../prefix/chain.ts";
import type { PrefixSeed } from "../prefix/prefix_index.ts";
import type { Receipt } from "./receipt.ts";

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
  /** Tokens of the prompt. */
  readonly tokens: number;
  /** Tokens that should be cached there, and the chunks of the prompt that these are. */
  readonly foretold: number;
  readonly known: number;
  /** The instance had no other prompt of this gateway to compute. */
  readonly isAlone: boolean;
  /** Seconds until its first token, as foretold. */
  readonly expectedS: number;
  /** Milliseconds of the pool's clock. */
  readonly at: number;
  /** null where it belongs to no session. */
  readonly moved: Moved | null;
}

/** The session that it belongs to, and where that was before. */
export interface Moved {
  readonly session: number;
  readonly from: SessionPlace;
}

/** Less work says nothing of an instance's speed. */
const LEAST_WORK = 600;

export class Placement {
  /** Why it is placed there; null until that is said. */
  receipt: Receipt | null = null;
  #isAnswered = false;
  #isOver = false;

  constructor(
    private readonly memory: RoutingMemory,
    private readonly model: RoutedModel,
    private readonly chain: PromptChain,
    readonly slot: number,
    readonly placed: Placed,
    /** The slot whose figures it is counted in. */
    private readonly counted: number = slot,
  ) {}

  /** The first token came at `now`: its prompt has been computed. */
  firstToken(now: number): void {
    if (!this.#balance()) return;
    const { isAlone, work, at, expectedS } = this.placed;
    this.memory.booked.compared(this.counted, (now - at) / 1000 - expectedS);
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
    if (cached === null) return;
    this.memory.booked.cached(this.counted, cached);
    const { trust } = this.memory;
    trust.answered(this.slot, cached, this.placed.foretold);
    if (this.counted !== this.slot) trust.answered(this.counted, cached, this.placed.foretold);
  }

  /** Its end, whatever it was: what was not computed is not held there. `locked` runs under the pool's lock. */
  ended(locked: (body: () => void) => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (!this.#balance()) return;
    const { known, moved } = this.placed;
    if (known === this.chain.length && moved === null) return;
    locked(() => {
      this.memory.index.takeBack(this.slot, this.chain, this.model.seed, known);
      if (moved !== null) this.#moveBack(moved);
    });
  }

  /** Unless another request of the session has moved it on. */
  #moveBack({ session, from }: Moved): void {
    const { sessions } = this.memory;
    if (sessions.of(session).slot === this.slot) sessions.note(session, from);
  }

  /** Takes it off the books of what waits; false when it was. */
  #balance(): boolean {
    if (this.#isAnswered) return false;
    this.#isAnswered = true;
    this.memory.own.remove(this.slot, this.placed.work);
    return true;
  }
}
