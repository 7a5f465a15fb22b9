// A suspect at an instance: a request that was at an engine when it died, and has nothing of its answer yet.
// Which of many killed an engine cannot be told from outside. Where one suspect at a time is at an instance and
// that one's engine dies too, it can.

import type { Instance } from "./instance.ts";

export class Trial {
  readonly #wasEmpty: boolean;
  readonly #came: number;
  #open = true;

  /** To be made under the pool's lock, so that two do not come at once. */
  constructor(private readonly instance: Instance) {
    this.#wasEmpty = instance.suspects.now === 0;
    instance.beginSuspect();
    this.#came = instance.suspects.ever;
  }

  /** Whether no other suspect has been at the instance all the while, in any worker. */
  get isAlone(): boolean {
    return this.#wasEmpty && this.instance.suspects.ever === this.#came;
  }

  /** It has some of its answer, or has left. */
  end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.instance.endSuspect();
  }
}
