// One worker as the main isolate has it: how far it is, what it said of itself, who waits for its answer.

import type { Moved } from "../../forward/moving.ts";
import type { Isolate } from "./isolate.ts";
import type { EndKind, ToWorker } from "./messages.ts";

/** What it answers to what it is told. */
interface Answers extends Record<EndKind, null> {
  /** What of the snapshot is not in force. */
  catch_up: readonly string[];
  move: Moved;
}

/** One that has died has nothing at an instance any more. */
const NO_ANSWER: Answers = {
  catch_up: [],
  move: { moved: 0, staying: 0 },
  drain: null,
  hand_over: null,
  close: null,
};

const KINDS = Object.keys(NO_ANSWER) as (keyof Answers)[];

export class Member {
  state: "loading" | "starting" | "serving" | "leaving" = "loading";
  /** The port that it listens on; rejected where it cannot, or ends before. */
  readonly ready = Promise.withResolvers<number>();
  /** The share of its time, 0 to 1, that it was at work between the last two looks. */
  share = 0;
  /** Requests under way. */
  running = 0;
  /** Who waits for its answers: it answers what is alike in the order in which it was asked. */
  readonly #asked: { readonly [K in keyof Answers]: ((answer: Answers[K]) => void)[] } = {
    catch_up: [],
    move: [],
    drain: [],
    hand_over: [],
    close: [],
  };

  /** Ends each answer of the admin pages that it carries to its client. */
  readonly #carried = new Set<() => void>();

  constructor(readonly index: number, readonly isolate: Isolate) {}

  tell(message: ToWorker): void {
    this.isolate.postMessage(message);
  }

  /** Resolves to its answer; to that of one that has died once it is gone, or when `waitMs` are over. */
  ask<K extends keyof Answers>(
    message: ToWorker & { kind: K },
    waitMs = Infinity,
  ): Promise<Answers[K]> {
    const { kind } = message;
    return new Promise((resolve) => {
      const timer = waitMs === Infinity
        ? undefined
        : setTimeout(() => resolve(NO_ANSWER[kind]), waitMs);
      // It keeps its place after that: its answer may still come.
      this.#asked[kind].push((answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.tell(message);
    });
  }

  answered<K extends keyof Answers>(kind: K, answer: Answers[K]): void {
    this.#asked[kind].shift()?.(answer);
  }

  /** What `begin` begins is let go of by what it returns, where it is not over before this one is gone. */
  carries(begin: (onOver: () => void) => () => void): void {
    const end = begin(() => this.#carried.delete(end));
    this.#carried.add(end);
  }

  /** It has ended: nobody waits for it any more, and nobody looks on through it. */
  gone(): void {
    for (const end of [...this.#carried]) end();
    for (const kind of KINDS) this.#goneFor(kind);
  }

  #goneFor<K extends keyof Answers>(kind: K): void {
    for (const resolve of this.#asked[kind].splice(0)) resolve(NO_ANSWER[kind]);
  }
}
