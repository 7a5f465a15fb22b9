// Watches requests of which nothing has come yet. An instance that has swallowed one for `hung_after`
// seconds, while others of the model answered, is hung; so is one that had answered just before, after
// twice the time. Who waits there, or at an instance that is found to be dead or asleep, is told at once
// where somebody else could answer.
//
// Each worker watches its own requests. What it finds is in the memory that all share, and so are the
// signs of life: an instance that sends tokens to another worker's clients is not hung.

import type { Begun, Instance } from "./instance.ts";

const LOOK_MS = 250;

/** The rest of the pool that an instance was chosen from. */
export interface Others {
  /** Whether another instance of the model could take a request of this one. */
  canReplace(instance: Instance): boolean;
  /** Whether another instance of the model has shown progress since then, and this one has not. */
  answeredSince(instance: Instance, sinceMs: number): boolean;
}

/** A request of which nothing has come. */
export interface Silent {
  readonly instance: Instance;
  readonly others: Others;
  readonly begun: Begun;
  /** Whether tokens are expected as they are made, or all at once in the end. */
  readonly answer: "stream" | "whole";
  /** On the fleet's clock. */
  readonly sentAt: number;
  onSuspect(why: string): void;
}

/** A silent request and its place in the list of all, so that it is found without a search. */
export interface Silence {
  readonly request: Silent;
  at: number;
}

export class Watchdog {
  /** A list, not a Set: docs/decisions/memory.md. */
  readonly #silent: Silence[] = [];
  #timer: ReturnType<typeof setInterval> | null = null;
  #hungAfterMs = 0;

  constructor(
    private readonly now: () => number,
    /** The instance has swallowed a request. */
    private readonly onHung: (instance: Instance, message: string) => void,
  ) {}

  /** 0 for never. */
  configure({ hungAfterS }: { hungAfterS: number }): void {
    this.#hungAfterMs = hungAfterS * 1000;
  }

  watch(request: Silent): Silence {
    const silence = { request, at: this.#silent.length };
    this.#silent.push(silence);
    // It goes on until a look finds nothing, so that a fast request costs no timer.
    this.#timer ??= setInterval(() => this.look(), LOOK_MS);
    return silence;
  }

  unwatch(silence: Silence): void {
    if (this.#silent[silence.at] !== silence) return;
    const last = this.#silent.pop()!;
    if (last === silence) return;
    this.#silent[silence.at] = last;
    last.at = silence.at;
  }

  /** Looks at all that are silent. */
  look(): void {
    if (this.#silent.length === 0) return this.close();
    for (const { request } of this.#silent) this.#judge(request);
    for (const silence of [...this.#silent]) {
      const { instance, others, begun } = silence.request;
      // A probe has its time, too: it is how a sign of life is looked for.
      if (!instance.isMute || (begun === "probe" && !this.#isSwallowed(silence.request))) continue;
      if (!others.canReplace(instance)) continue;
      this.unwatch(silence);
      silence.request.onSuspect(`is ${instance.condition}`);
    }
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #judge(request: Silent): void {
    const { instance, sentAt } = request;
    if (instance.isMute || !this.#isSwallowed(request)) return;
    const seconds = Math.round((this.now() - sentAt) / 1000);
    this.onHung(instance, `nothing came of a request for ${seconds} s, while others were answered`);
  }

  /** Silent for too long, while others answered, or for twice as long where it answered just before. */
  #isSwallowed({ instance, others, sentAt, answer }: Silent): boolean {
    const limitMs = this.#hungAfterMs;
    const silentMs = this.now() - sentAt;
    if (answer === "whole" || limitMs === 0 || silentMs < limitMs) return false;
    if (others.answeredSince(instance, sentAt)) return true;
    const { lastProgress } = instance;
    return silentMs >= 2 * limitMs && lastProgress !== 0 && lastProgress <= sentAt &&
      sentAt - lastProgress <= limitMs;
  }
}
