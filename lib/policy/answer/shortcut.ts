// The shapes that the events of an answer have had: each text of an answer has one, as a rule.

import type { EventStore } from "../../sse/event_store.ts";
import type { Piece } from "./lane.ts";
import { Shape, type Units } from "./shape.ts";

/** Choices and channels whose events come in turn. */
const MOST = 4;
/** After so many events in a row that were parsed all the same, only some are still learned from. */
const USELESS = 16;
const SOME = 64;

export class Shortcut {
  readonly #shapes: Shape[] = [];
  /** Events since one was read in the short way. */
  #idle = 0;
  /** The number of the event that the first shape read last, where its text began, and the bytes behind. */
  #number = -1;
  #from = 0;
  #rest = 0;

  /** `units` have the text of the event that was read last, of whatever stream. */
  constructor(readonly units: Units) {}

  /** Remembers an event with this one text. */
  learn(bytes: Uint8Array, { lane, place }: Piece): void {
    if (this.#idle++ > USELESS && this.#idle % SOME !== 0) return;
    const shape = Shape.of(bytes, lane, place);
    if (shape === null) return;
    if (this.#shapes.length === MOST) this.#shapes.pop();
    this.#shapes.unshift(shape);
    this.#number = -1;
  }

  /**
   * The shape that an event has, its text in `units`; null where that takes a closer look. It is the
   * `number`-th of those in `kept`, and the one compared last there; null where it is in none.
   */
  shapeOf(bytes: Uint8Array, number: number, kept: EventStore | null): Shape | null {
    const shapes = this.#shapes;
    const { units } = this;
    // What it shares with the event before was looked at there.
    const isNext = kept !== null && this.#number >= 0 && number === this.#number + 1;
    const from = isNext && kept.prefix >= this.#from ? this.#from : -1;
    const rest = isNext && kept.suffix >= this.#rest ? this.#rest : -1;
    for (let at = 0; at < shapes.length; at++) {
      const shape = shapes[at];
      const isRead = at === 0 ? shape.reads(bytes, units, from, rest) : shape.reads(bytes, units);
      if (!isRead) continue;
      this.#idle = 0;
      this.#number = number;
      this.#from = units.from;
      this.#rest = bytes.length - units.to;
      if (at > 0) {
        shapes.splice(at, 1);
        shapes.unshift(shape);
      }
      return shape;
    }
    return null;
  }
}
