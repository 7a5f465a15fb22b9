// Reads a text that is there as a whole.

import { edited } from "./edits.ts";
import { Reading } from "./reading.ts";
import type { TextRule, TextRules } from "./rules.ts";

/** What became of a text. */
export interface WholeReading {
  readonly text: string;
  /** The rule that cut it; null where none did. */
  readonly cutBy: TextRule | null;
  readonly isChanged: boolean;
}

/** Reads a whole text. */
export function readWhole(
  rules: TextRules,
  text: string,
  isJson: boolean,
  onHit: (rule: TextRule) => void,
): WholeReading {
  const reading = new Reading(rules, isJson, onHit);
  reading.take(text);
  reading.end();
  const end = reading.cutAt >= 0 ? reading.cutAt : text.length;
  const changed = edited(text, 0, end, reading.edits);
  return { text: changed, cutBy: reading.cutBy, isChanged: changed !== text };
}
