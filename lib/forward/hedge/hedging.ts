// Whether a second instance may be asked beside one that is silent for far longer than usual, and what that
// says of the silent one. Shared by all requests of an isolate; the two attempts of one are in race.ts, and
// what they are for it in hedge.ts.

import { READINGS } from "../../api/paths.ts";
import type { Instance } from "../../pool/instance.ts";
import { byId, type Roster } from "../../pool/roster.ts";
import type { Ask } from "../ask.ts";
import type { ForwardRequest } from "../request.ts";
import { RetryBudget, type RetryLimits } from "../retry_budget.ts";
import { type Patience, UsualWaits } from "./usual_waits.ts";

/** Second attempts beside silent ones. */
const BESIDE: RetryLimits = { share: 0.05, atFirst: 3, most: 10 };
/** So many requests in a row, without a sign of life while others answered: it is hung. */
const MUTE_IN_A_ROW = 3;

/** A first event is soon there; a whole answer takes as long as it is. */
const STREAM_PATIENCE: Patience = { unknownMs: 5000, leastMs: 2000 };
const WHOLE_PATIENCE: Patience = { unknownMs: 20_000, leastMs: 5000 };
/** What an answer whose length nobody bounds is taken for. */
const UNBOUNDED_TOKENS = 2 ** 20;

/** Requests that an instance was mute in since it last got on. */
interface Mute {
  progressAt: number;
  count: number;
}

export class Hedging {
  readonly #streams: UsualWaits;
  readonly #wholes: UsualWaits;
  /** What takes as long as its texts are. */
  readonly #readings: UsualWaits;
  readonly budget = new RetryBudget(BESIDE);
  readonly #mute: Map<string, Mute>;

  /** `onHung`: the instance answers nobody, while others answered in its place. */
  constructor(
    roster: Roster,
    private readonly onHung: (instance: Instance, message: string) => void,
  ) {
    this.#streams = new UsualWaits(roster, STREAM_PATIENCE);
    this.#wholes = new UsualWaits(roster, WHOLE_PATIENCE);
    this.#readings = new UsualWaits(roster, WHOLE_PATIENCE);
    this.#mute = roster.remember(byId);
  }

  /**
   * Whether a second instance may be asked for the same: not where asking twice has effects, or where silence
   * proves nothing.
   */
  isFor(request: ForwardRequest, ask: Ask, { config }: Instance): boolean {
    const { choices, isHeldBack, stickyTo } = request;
    return config.timeouts.firstByteIsAuto && ask.way === null && choices === 1 &&
      !isHeldBack && stickyTo === null && leavesNothing(request);
  }

  /** Milliseconds after which its silence is far beyond what is usual. */
  limitMs(request: ForwardRequest): number {
    return this.#waitsLike(request).limitMs(request.model, sizeOf(request));
  }

  /** Its first event, or its whole answer, came after so many milliseconds. */
  came(request: ForwardRequest, ms: number): void {
    this.#waitsLike(request).came(request.model, sizeOf(request), ms);
  }

  #waitsLike({ api, stream }: ForwardRequest): UsualWaits {
    if (api === null) return this.#readings;
    return stream ? this.#streams : this.#wholes;
  }

  /** Nothing came of a request for so long, nor of any other there, while others answered. Once a request. */
  wasMute(instance: Instance, seconds: number): void {
    const { id } = instance.config;
    const progressAt = instance.lastProgress;
    const before = this.#mute.get(id);
    const count = before?.progressAt === progressAt ? before.count + 1 : 1;
    this.#mute.set(id, { progressAt, count });
    if (count < MUTE_IN_A_ROW) return;
    this.#mute.delete(id);
    const last = seconds.toFixed(1);
    this.onHung(instance, `nothing came of ${count} requests, of the last one for ${last} s`);
  }
}

/** Whether nothing stays behind at an instance that was asked for it, too. */
function leavesNothing({ api, path, stream, isForgotten }: ForwardRequest): boolean {
  if (api === null) return !stream && READINGS.has(path);
  // What /v1/responses keeps would be kept twice.
  return api !== "responses" || isForgotten;
}

/** What its time goes by, in bytes: of a whole answer how long it may be, else what has to be read for it. */
function sizeOf({ api, stream, body, prompt: { answerTokens } }: ForwardRequest): number {
  if (api === null || stream) return body.length;
  return 4 * (answerTokens === 0 ? UNBOUNDED_TOKENS : answerTokens);
}
