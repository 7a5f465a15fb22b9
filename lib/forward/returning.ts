// How many broken streams look at one time whether an instance that had failed is back: one, now and then,
// and as it answers more and more. Hundreds that broke at once neither storm a dead instance nor one that
// has just returned.

import type { Instance } from "../pool/instance.ts";
import { byId, type Roster } from "../pool/roster.ts";

/** How often one that does not answer is looked at, by whomever. */
const LOOK_AGAIN_MS = 250;
/** So many answers begun, and it is as well as any other. */
const WELL = 64;

interface Look {
  /** Requests that may wait for their answers to begin. */
  most: number;
  waiting: number;
  /** performance.now() before which nobody asks again. */
  notBefore: number;
}

/** What the requests of one isolate know. */
export class Returning {
  /** By the id of the instance; those that are well are not here. */
  readonly #looks: Map<string, Look>;

  constructor(roster: Roster, private readonly now: () => number) {
    this.#looks = roster.remember(byId);
  }

  /** Whether one more may ask it. */
  mayAsk({ config }: Instance): boolean {
    const look = this.#looks.get(config.id);
    return look === undefined || (look.waiting < look.most && this.now() >= look.notBefore);
  }

  /** Somebody asks it; what is returned must be told once what came of it. */
  asked({ config }: Instance): (outcome: "answered" | "failed" | "neither") => void {
    const look = this.#looks.get(config.id);
    if (look !== undefined) look.waiting++;
    return (outcome) => {
      if (look !== undefined) look.waiting--;
      if (outcome === "failed") this.failed(config);
      if (outcome === "answered") this.#answered(config);
    };
  }

  /** It does not answer. */
  failed({ id }: Instance["config"]): void {
    const look = this.#looks.get(id) ?? { most: 1, waiting: 0, notBefore: 0 };
    look.most = 1;
    look.notBefore = this.now() + LOOK_AGAIN_MS;
    this.#looks.set(id, look);
  }

  /** Its answer has begun: twice as many may ask when all of them have had theirs. */
  #answered({ id }: Instance["config"]): void {
    const look = this.#looks.get(id);
    if (look === undefined) return;
    look.most++;
    if (look.most > WELL) this.#looks.delete(id);
  }
}
