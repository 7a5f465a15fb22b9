// Which instances are not asked for something beside what the client asks, since they refused a request for it.
// Nobody does so for good: a server is upgraded behind its address, or another one comes to stand there.

import type { InstanceConfig } from "../config/config.ts";
import { byOrigin, type Roster } from "../pool/roster.ts";

/** After so long one that refused is asked once more. */
const ASK_AGAIN_MS = 3_600_000;

export class OptionRefused {
  /** By origin, until when it is not asked. */
  readonly #until: Map<string, number>;

  constructor(roster: Roster, private readonly now: () => number) {
    this.#until = roster.remember(byOrigin);
  }

  add({ origin }: InstanceConfig): void {
    this.#until.set(origin, this.now() + ASK_AGAIN_MS);
  }

  has({ origin }: InstanceConfig): boolean {
    const until = this.#until.get(origin);
    return until !== undefined && this.now() < until;
  }
}
