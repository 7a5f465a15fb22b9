// How long answers are waited for that all have the same time: one timer for all of them. One for each would
// cost more than the question, and keep what waits for it alive beyond its end (docs/decisions/memory.md).

import { type Enrolled, Roll } from "../../http/roll.ts";

/** A timer that is so late tells of this process, which has not looked yet at what came meanwhile. */
const LATE_MS = 10;
/** So often it looks again, and only while each look is late itself. */
const MAX_LOOKS = 3;

class Wait implements Enrolled {
  place = -1;

  constructor(
    /** performance.now() by which the answer must have come. */
    readonly due: number,
    readonly giveUp: (error: Error) => void,
  ) {}
}

export class Patience {
  readonly #waits = new Roll<Wait>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** performance.now() at which the timer should end. */
  #endsAt = 0;
  #looks = 0;

  constructor(
    private readonly ms: number,
    /** What an answer that does not come in time is rejected with. */
    private readonly error: () => Error,
  ) {}

  /** What `answer` resolves to or rejects with, in time. It may still come, and is then nobody's. */
  wait<T>(answer: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const wait = new Wait(performance.now() + this.ms, reject);
      this.#waits.add(wait);
      if (this.#timer === null) this.#wakeAt(wait.due);
      answer.then((value) => {
        this.#waits.remove(wait);
        resolve(value);
      }, (error) => {
        this.#waits.remove(wait);
        reject(error);
      });
    });
  }

  /** Nobody is waited for any more: those who still wait are told as if their time was over. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#giveUp(Infinity);
  }

  #wakeAt(at: number): void {
    this.#endsAt = at;
    this.#timer = setTimeout(() => this.#wake(), Math.ceil(Math.max(0, at - performance.now())));
  }

  #wake(): void {
    this.#timer = null;
    const now = performance.now();
    if (now - this.#endsAt >= LATE_MS && this.#looks < MAX_LOOKS) {
      this.#looks++;
      this.#wakeAt(now + LATE_MS);
      return;
    }
    this.#looks = 0;
    this.#giveUp(now);
    let next = Infinity;
    for (const { due } of this.#waits.all) next = Math.min(next, due);
    if (next !== Infinity) this.#wakeAt(next);
  }

  #giveUp(now: number): void {
    for (const wait of this.#waits.all.filter(({ due }) => due <= now)) {
      this.#waits.remove(wait);
      wait.giveUp(this.error());
    }
  }
}
