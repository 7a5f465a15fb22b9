// The texts of one streamed answer, each read on its way: who is told of what is found in them, and how long
// one is waited for while others go on.

import type { Text } from "../../api/dialect.ts";
import { readWhole } from "../text/read_whole.ts";
import type { TextRule } from "../text/rules.ts";
import type { PolicyTrail } from "../trail.ts";
import { Lane, type Piece } from "./lane.ts";
import { ANSWER_CHANNELS, type AnswerRules } from "./rules.ts";

/** So many characters of other texts may come before the rest of one is no longer waited for. */
const PATIENCE_CHARS = 64;

export class Lanes {
  /** By choice, channel and part. */
  readonly #lanes = new Map<string, Lane>();

  constructor(private readonly rules: AnswerRules, private readonly trail: PolicyTrail) {}

  /** Reads a text that says something new; null where nothing looks at it. */
  read(place: Text): Piece | null {
    const rules = this.rules.rulesFor(place.channel);
    const { choice, channel, part, text } = place;
    if (rules === null) {
      this.passBy(choice, null, text.length);
      return null;
    }
    const id = `${choice} ${channel} ${part}`;
    let lane = this.#lanes.get(id);
    if (lane === undefined) {
      const isJson = this.rules.isJson(channel);
      lane = new Lane(choice, isJson, rules, (rule) => this.#hit(rule, channel, choice));
      this.#lanes.set(id, lane);
    }
    this.passBy(choice, lane, text.length);
    const start = lane.reading.length;
    lane.take(text);
    return { lane, place, start, end: lane.reading.length };
  }

  /** What is shown of a text that is told once more as a whole. */
  again({ channel, text }: Text): string {
    const rules = this.rules.rulesFor(channel);
    if (rules === null) return text;
    return readWhole(rules, text, this.rules.isJson(channel), () => {}).text;
  }

  /** So many characters of `lane` came: other texts of the choice are not waited for much longer. */
  passBy(choice: number, lane: Lane | null, chars: number): void {
    if (this.#lanes.size < 2 && lane !== null) return;
    for (const other of this.#lanes.values()) {
      if (other === lane || other.choice !== choice) continue;
      other.passedBy += chars;
      if (other.passedBy > PATIENCE_CHARS) other.end();
    }
  }

  /** No more text of the choice comes. */
  end(choice: number): void {
    for (const lane of this.#lanes.values()) if (lane.choice === choice) lane.end();
  }

  endAll(): void {
    for (const lane of this.#lanes.values()) lane.end();
  }

  #hit({ name, mode, said }: TextRule, channel: Text["channel"], choice: number): void {
    const place = { stage: "answer", channel: ANSWER_CHANNELS[channel], choice } as const;
    this.trail.hit({ name, mode, action: said, ...place });
  }
}
