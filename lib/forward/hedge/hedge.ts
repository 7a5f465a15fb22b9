// What a race is for the request that it is run for: who is asked beside a silent instance, what the second
// attempt takes of what all requests may ask twice, and what the end of the race says of the silent one.

import type { Lease } from "../../pool/lease.ts";
import type { Attempt } from "../attempt.ts";
import type { DeadlineClock } from "../deadline.ts";
import type { Failure } from "../failure.ts";
import type { ForwardRequest } from "../request.ts";
import type { Route } from "../route.ts";
import type { Hedging } from "./hedging.ts";
import type { RaceParts } from "./race.ts";

/** Where nobody is asked beside it, silence must be longer to tell against an instance. */
const MUTE_MS = 5000;

export interface HedgeParts {
  readonly request: ForwardRequest;
  readonly route: Route;
  readonly hedging: Hedging;
  readonly clock: DeadlineClock;
  /** The attempt beside the first. */
  newAttempt(lease: Lease): Attempt;
  /** One of two has failed, and is to be ended. */
  failed(attempt: Attempt, failure: Failure): void;
}

/** One race's. */
export class Hedge implements RaceParts {
  readonly clock: DeadlineClock;
  readonly silenceMs: number;
  #second: Attempt | null = null;
  #isNoted = false;

  /** `lease` is the first attempt's. */
  constructor(private readonly lease: Lease, private readonly parts: HedgeParts) {
    this.clock = parts.clock;
    this.silenceMs = parts.hedging.limitMs(parts.request);
  }

  beside(first: Attempt): Attempt | null {
    const { request, route, hedging } = this.parts;
    const other = hedging.budget.isLeft ? route.beside(this.lease) : null;
    if (other === null) {
      // A whole answer may take as long as it likes, unless another one has it sooner.
      if (request.stream && first.silentMs >= MUTE_MS) this.#noteMute(first);
      return null;
    }
    hedging.budget.withdraw();
    return this.#second = this.parts.newAttempt(other);
  }

  failed(attempt: Attempt, failure: Failure): void {
    this.parts.failed(attempt, failure);
  }

  outrun(loser: Attempt, winner: Attempt): void {
    const { route } = this.parts;
    if (loser.instance === this.lease.instance) this.#noteMute(loser);
    else route.forget(loser.instance);
    if (!loser.mayBeAsked) this.askedNobody(loser);
    const words = `${winner.instance.name} answered first`;
    loser.end("outrun", "neutral", words);
  }

  /** An attempt is over before its instance was asked: was it the second, another request may have one. */
  askedNobody(attempt: Attempt): void {
    if (attempt === this.#second) this.parts.hedging.budget.giveBack();
  }

  #noteMute(first: Attempt): void {
    const { route, hedging } = this.parts;
    if (this.#isNoted || !route.isMute(this.lease)) return;
    this.#isNoted = true;
    hedging.wasMute(first.instance, first.silentMs / 1000);
  }
}
