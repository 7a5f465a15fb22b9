// The time limits of one attempt, by what is waited for: an answer to a question, the first event, a whole
// answer, the next event, the end of all. Reading moves them; the first that expires ends the attempt.

import type { Timeouts } from "../../config/config.ts";
import { Deadline, type DeadlineClock } from "../deadline.ts";
import { UpstreamError } from "../transport.ts";

/** A question to an instance that is alive is answered at once. */
const QUESTION_S = 10;

type Phase = "question" | "first_byte" | "answer" | "idle" | "total";

export class TimeLimits {
  /** Clock by which a whole answer must be there, whatever dribbles meanwhile. */
  answerBy = Infinity;
  #phase: Phase = "first_byte";
  readonly #deadline: Deadline;
  #total: Deadline | null = null;

  constructor(
    private readonly clock: DeadlineClock,
    private readonly timeouts: Timeouts,
    /** Tools or a schema: a server may be silent within the answer. */
    private readonly isHeldBack: boolean,
    private readonly onExpire: (why: UpstreamError) => void,
  ) {
    this.#deadline = new Deadline(() => onExpire(this.#expired()));
  }

  /** The clock's, as of its last tick. */
  get now(): number {
    return this.clock.now;
  }

  /** Nothing of the answer has come, and it is the first event that is waited for. */
  get waitsForFirst(): boolean {
    return this.#phase === "first_byte";
  }

  /** What is waited for is the whole answer, which would take as long elsewhere. */
  get waitsForAll(): boolean {
    return this.#phase === "answer" || this.#phase === "total";
  }

  watch(): void {
    this.clock.add(this.#deadline);
  }

  /** A question goes out; returns the clock by which all of its answer must be there. */
  asks(): number {
    this.#phase = "question";
    return this.#deadline.at = this.clock.now + QUESTION_S * 1000;
  }

  /** The request goes out. `wholly`: the head of its answer comes when all of it is there. */
  begin(wholly: boolean): void {
    const { firstByteS, answerS, totalS } = this.timeouts;
    this.#phase = wholly ? "answer" : "first_byte";
    this.#deadline.at = this.clock.now + (wholly ? answerS : firstByteS) * 1000;
    if (wholly) this.answerBy = this.#deadline.at;
    if (totalS === null) return;
    this.#total = new Deadline(() => {
      this.#phase = "total";
      this.onExpire(this.#expired());
    });
    this.#total.at = this.clock.now + totalS * 1000;
    this.clock.add(this.#total);
  }

  /** Bytes of the answer have come: whoever begins to answer has the answer. */
  heard(): void {
    if (this.#phase === "answer") this.idle();
  }

  /** Nobody is waited for. */
  rest(): void {
    this.#deadline.at = Infinity;
  }

  /** The next piece is waited for, since now or since `from`. */
  idle(from = this.clock.now): void {
    this.idleUntil(from + this.#idleS * 1000);
  }

  idleUntil(at: number): void {
    this.#phase = "idle";
    this.#deadline.at = at;
  }

  /** What is waited for must be there by `at`. */
  atMost(at: number): void {
    this.#deadline.at = Math.min(this.#deadline.at, at);
  }

  /** The next piece of a whole that must be there by `until`. */
  nextOf(until: number): void {
    if (this.#phase !== "question") this.idle();
    if (until >= this.#deadline.at) return;
    this.#deadline.at = until;
    if (until === this.answerBy) this.#phase = "answer";
  }

  close(): void {
    this.clock.remove(this.#deadline);
    if (this.#total !== null) this.clock.remove(this.#total);
  }

  get #idleS(): number {
    return this.isHeldBack ? this.timeouts.heldIdleS : this.timeouts.idleS;
  }

  #expired(): UpstreamError {
    const isHead = this.#phase === "first_byte" || this.#phase === "answer";
    return new UpstreamError(isHead ? "head" : "body", "timeout", this.#words());
  }

  #words(): string {
    const { firstByteS, answerS, totalS } = this.timeouts;
    switch (this.#phase) {
      case "question":
        return `no answer to a question within ${QUESTION_S} s`;
      case "first_byte":
        return `no answer within ${firstByteS} s (timeouts.first_byte)`;
      case "answer":
        return `no answer within ${answerS} s (timeouts.answer)`;
      case "idle":
        return `no progress for ${this.#idleS} s in the middle of the answer (timeouts.idle)`;
      case "total":
        return `not finished within ${totalS} s (timeouts.total)`;
    }
  }
}
