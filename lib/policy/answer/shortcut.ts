// The shapes that the events of an answer have had: each text of an answer has one, as a rule.

import { Shape, Units } from "./shape.ts";
import type { Piece } from "./lane.ts";

/** Choices and channels whose events come in turn. */
const MOST = 4;
/** After so many events in a row that were parsed all the same, only some are still learned from. */
const USELESS = 16;
const SOME = 64;

export class Shortcut {
  /** The text of the event that was read last. */
  readonly units = new Units();
  readonly #shapes: Shape[] = [];
  /** Events since one was read in the short way. */
  #idle = 0;

  /** Remembers an event with this one text. */
  learn(bytes: Uint8Array, { lane, place }: Piece): void {
    if (this.#idle++ > USELESS && this.#idle % SOME !== 0) return;
    const shape = Shape.of(bytes, lane, place);
    if (shape === null) return;
    if (this.#shapes.length === MOST) this.#shapes.pop();
    this.#shapes.unshift(shape);
  }

  /** The shape that an event has, its text in `units`; null where that takes a closer look. */
  shapeOf(bytes: Uint8Array): Shape | null {
    const shapes = this.#shapes;
    for (let at = 0; at < shapes.length; at++) {
      const shape = shapes[at];
      if (!shape.reads(bytes, this.units)) continue;
      this.#idle = 0;
      if (at > 0) {
        shapes.splice(at, 1);
        shapes.unshift(shape);
      }
      return shape;
    }
    return null;
  }
}
