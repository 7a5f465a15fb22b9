// One text of an answer, as it is read on its way: the content of a choice, its reasoning, the arguments of
// one call.

import type { Text } from "../../api/dialect.ts";
import type { TextRules } from "../text/rules.ts";
import type { TextRule } from "../text/rules.ts";
import { Reading } from "../text/reading.ts";

export class Lane {
  readonly reading: Reading;
  /** Nothing of it is waited for any more. */
  ended = false;
  /** Characters of other texts that came since its last. */
  passedBy = 0;

  constructor(
    readonly choice: number,
    /** Whether escapes stand for characters in it. */
    isJson: boolean,
    rules: TextRules,
    onHit: (rule: TextRule) => void,
  ) {
    this.reading = new Reading(rules, isJson, onHit);
  }

  /** Takes the next of its text. */
  take(text: string): void {
    this.ended = false;
    this.passedBy = 0;
    this.reading.take(text);
  }

  /** The same for the first `count` of `units`. */
  takeUnits(units: Uint16Array, count: number): void {
    this.ended = false;
    this.passedBy = 0;
    this.reading.takeUnits(units, count);
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.reading.end();
  }

  /** Whether what stands before `end` may be shown. */
  isSettled(end: number): boolean {
    return this.reading.settled >= end || this.reading.cutAt >= 0;
  }
}

/** A text of an event, and where it stands in the lane that it belongs to. */
export interface Piece {
  readonly lane: Lane;
  readonly place: Text;
  readonly start: number;
  readonly end: number;
}
