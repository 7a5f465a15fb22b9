// Two attempts on one beginning of an answer: where the first is silent for too long, a second one beside it.
// The first that proves something has the request, the other is ended at once and holds nothing against its
// instance. Requests that may not be asked twice have no race (delivery.ts).

import type { Attempt } from "../attempt.ts";
import type { Proof } from "../attempt/proof.ts";
import { Deadline, type DeadlineClock } from "../deadline.ts";
import type { Failure } from "../failure.ts";

/** Where nobody could be asked beside it, it is looked again so often. */
const LOOK_MS = 500;

interface Proved {
  readonly attempt: Attempt;
  readonly proof: Proof;
}

/** What a race asks of the request that it is run for. */
export interface RaceParts {
  readonly clock: DeadlineClock;
  /** Milliseconds of silence after which a second one is asked. */
  readonly silenceMs: number;
  /** The second attempt; null where nobody can be asked beside the first now. */
  beside(first: Attempt): Attempt | null;
  /** One of two has failed; the other is waited for. */
  failed(attempt: Attempt, failure: Failure): void;
  /** Another one was faster. */
  outrun(loser: Attempt, winner: Attempt): void;
}

export class Race {
  #second: Attempt | null = null;

  constructor(private readonly first: Attempt, private readonly parts: RaceParts) {}

  /** Resolves with the attempt that has the request. Never rejects for what instances do. */
  async proved(): Promise<Proved> {
    const { first, parts } = this;
    const alone = proofOf(first);
    let second: Attempt | null = null;
    for (let ms = parts.silenceMs; second === null; ms = LOOK_MS) {
      const early = await this.#orSilent(alone, ms);
      if (early !== "silent") return early;
      second = this.#second = parts.beside(first);
    }
    const beside = proofOf(second);
    const winner = await Promise.race([alone, beside]);
    const { attempt, proof } = winner;
    const [loser, other] = attempt === first ? [second, beside] : [first, alone];
    if (proof.kind === "failed") {
      parts.failed(attempt, proof.failure);
      return await other;
    }
    // Whatever it has still to say, its end is the gateway's own doing.
    other.catch(() => {});
    if (proof.kind !== "gone") parts.outrun(loser, attempt);
    return winner;
  }

  /** Leaving a scope without a word holds nothing against any instance. */
  [Symbol.dispose](): void {
    this.first[Symbol.dispose]();
    this.#second?.[Symbol.dispose]();
  }

  /** The proof, or "silent" where it is not there in time. */
  #orSilent(proof: Promise<Proved>, ms: number): Promise<Proved | "silent"> {
    const { clock } = this.parts;
    const { promise, resolve, reject } = Promise.withResolvers<Proved | "silent">();
    const deadline = new Deadline(() => resolve("silent"));
    deadline.at = clock.now + ms;
    clock.add(deadline);
    proof.then((proved) => {
      clock.remove(deadline);
      resolve(proved);
    }, reject);
    return promise;
  }
}

async function proofOf(attempt: Attempt): Promise<Proved> {
  return { attempt, proof: await attempt.prove() };
}
