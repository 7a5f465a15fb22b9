// The way of an answer's events from the connection to the client, as they come, and whether the answer gets on.
// What a chunk of a stream costs is here: nothing may be added to it lightly.

import type { Api } from "../../api/api.ts";
import type { Lease } from "../../pool/lease.ts";
import type { SseObserver } from "../../sse/observer.ts";
import type { ClientStream } from "../client_stream.ts";
import type { DeadlineClock } from "../deadline.ts";
import type { Pace } from "../pace.ts";
import { isOver, type Stage, through } from "../stage.ts";
import { isClosed } from "../stream_end.ts";
import type { UpstreamCall } from "../transport.ts";
import { DONE_MS } from "./body.ts";
import type { TimeLimits } from "./limits.ts";
import type { Proof } from "./proof.ts";

/** What may follow the last finish reason. */
const FINISHED_MS = 5000;
/** How often the pool hears of a long stream that it gets on. */
const TELL_MS = 1000;

export interface RelayParts {
  readonly call: UpstreamCall;
  readonly lease: Lease;
  readonly limits: TimeLimits;
  readonly clock: DeadlineClock;
  readonly pace: Pace;
  /** Whose events they are; null where it is none that is known. */
  readonly api: Api | null;
}

export class EventRelay {
  #progressAt: number;
  /** Clock by which an answer that has ended is at its end, whether the instance closes or not. */
  #overBy = Infinity;
  /** Clock at which the pool heard of progress last. */
  #toldAt: number;

  constructor(private readonly parts: RelayParts) {
    this.#progressAt = this.#toldAt = parts.clock.now;
  }

  /** Clock of the last event that took the answer further. */
  get progressAt(): number {
    return this.#progressAt;
  }

  /**
   * Passes the events on until the body ends, `reader` finds a fault or a stage objects (then false). Throws
   * UpstreamError.
   */
  async run(
    { reader, first, ended }: Proof & { kind: "events" },
    stages: readonly Stage[],
    client: ClientStream,
  ): Promise<boolean> {
    const begun = staged(first, stages, client);
    if (begun === null) return false;
    if (begun.length > 0) {
      if (reader.isOver || isOver(stages)) tellEnding(stages, client);
      await client.write(begun);
    }
    client.taken();
    if (ended || client.isCut || isOver(stages)) return true;
    const { pace } = this.parts;
    pace.begin();
    try {
      return await this.#rest(reader, stages, client);
    } finally {
      pace.end();
    }
  }

  async #rest(
    reader: SseObserver,
    stages: readonly Stage[],
    client: ClientStream,
  ): Promise<boolean> {
    const { call, limits, pace } = this.parts;
    let { progress } = reader;
    let count: number | null = 0;
    this.#progressAt = this.#toldAt = this.parts.clock.now;
    while (reader.fault === null) {
      const piece = call.take();
      if (piece === null || piece.length > 0) {
        let events = piece === null ? reader.end() : reader.take(piece);
        if (stages.length > 0) {
          const passed = staged(events, stages, client);
          if (passed === null) return false;
          events = passed;
        }
        if (events.length > 0) {
          const isLast = stages.length > 0 && isOver(stages);
          if (reader.isOver || isLast) tellEnding(stages, client);
          const written = client.write(events);
          if (written !== null) await written;
          client.taken();
          if (client.isCut || isLast) return true;
        }
        if (piece === null) return true;
        if (reader.progress !== progress) {
          progress = reader.progress;
          this.#progressed();
        }
        continue;
      }
      const rest = pace.rest(count ?? 0);
      if (rest !== null) await rest;
      this.#waitsForProgress(reader);
      try {
        count = await call.wait();
      } catch (error) {
        throw call.explain(error);
      }
      call.arrived(count);
      limits.rest();
    }
    return true;
  }

  /** The answer got on; the pool hears of it now and then. */
  #progressed(): void {
    const { now } = this.parts.clock;
    if (now - this.#toldAt > TELL_MS) {
      this.#toldAt = now;
      this.parts.lease.progressed();
    }
    this.#progressAt = now;
  }

  /** Comments, empty deltas and dribbled bytes are no progress; behind the end nothing is waited for. */
  #waitsForProgress(reader: SseObserver): void {
    const { api, clock: { now }, limits } = this.parts;
    if (!reader.done && (!reader.finished || api === null)) {
      limits.idle(this.#progressAt);
      return;
    }
    // Whatever still comes does not put it off.
    const leftMs = isClosed(reader, api) ? DONE_MS : FINISHED_MS;
    this.#overBy = Math.min(this.#overBy, now + leftMs);
    limits.idleUntil(this.#overBy);
  }
}

/** What of `events` goes to the client now, noted as part of its answer; null where a stage objects. */
function staged(
  events: Uint8Array,
  stages: readonly Stage[],
  client: ClientStream,
): Uint8Array | null {
  if (stages.length === 0) return events;
  const passed = through(stages, events);
  if (passed !== null) client.keep(passed);
  return passed;
}

/** Not where a stage holds something back: the answer may still go on elsewhere. */
function tellEnding(stages: readonly Stage[], client: ClientStream): void {
  if (stages.every((stage) => stage.caughtUp)) client.onEnding?.();
}
