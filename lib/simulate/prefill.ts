// Prompts computed one after another, in steps, as vLLM's chunked prefill does: what an engine has to compute
// for one prompt keeps the next one waiting. When a request may run at all is left to engine.ts.

/** Tokens that one step computes at most (vLLM's max_num_batched_tokens). */
const STEP_TOKENS = 2048;
/** And so long it lasts at most: what has left the line is not computed to the end of a slow step. */
const STEP_S = 0.05;

interface Waiting {
  left: number;
  readonly done: () => void;
}

export class Prefill {
  #line: Waiting[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #stepTokens: number;

  /** `tokensPerSecond` above 0. */
  constructor(private readonly tokensPerSecond: number) {
    this.#stepTokens = Math.max(1, Math.min(STEP_TOKENS, Math.ceil(tokensPerSecond * STEP_S)));
  }

  /** Computes `tokens` behind what came before, then calls `done`. The function it returns takes them out. */
  compute(tokens: number, done: () => void): () => void {
    const waiting = { left: Math.max(1, tokens), done };
    this.#line.push(waiting);
    if (this.#timer === undefined) this.#step(performance.now());
    return () => {
      this.#line = this.#line.filter((other) => other !== waiting);
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#line = [];
  }

  /** `at`: when the step begins; what a timer is late by is made up for. */
  #step(at: number): void {
    if (this.#line.length === 0) {
      this.#timer = undefined;
      return;
    }
    const taken: [waiting: Waiting, tokens: number][] = [];
    let room = this.#stepTokens;
    for (const waiting of this.#line) {
      if (room === 0) break;
      const tokens = Math.min(room, waiting.left);
      taken.push([waiting, tokens]);
      room -= tokens;
    }
    const end = at + (this.#stepTokens - room) / this.tokensPerSecond * 1000;
    this.#timer = setTimeout(() => {
      const done: Waiting[] = [];
      for (const [waiting, tokens] of taken) {
        waiting.left -= tokens;
        // One that was taken out meanwhile is told nothing.
        if (waiting.left === 0 && this.#line.includes(waiting)) done.push(waiting);
      }
      this.#line = this.#line.filter((waiting) => !done.includes(waiting));
      for (const waiting of done) waiting.done();
      this.#step(end);
    }, Math.max(0, end - performance.now()));
  }
}
