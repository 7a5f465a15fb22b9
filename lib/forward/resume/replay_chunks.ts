// A second run of a chat or text completion: each choice must say again what the client has of it; names
// and times are the first run's.

import { eventsIn } from "../../api/wire.ts";
import type { AnswerChoice } from "../../sse/assemble/answer.ts";
import { isObject, type Json, objectsIn, textOf } from "../../json/json.ts";
import { adopt, isSaid, line, withoutRole } from "./adopt.ts";
import { Expected } from "./expected.ts";
import type { Mended, Mender } from "./mender.ts";
import type { Sent } from "./plan.ts";
import { entriesIn, withoutEntries } from "./token_entries.ts";

export class ChunkReplay implements Mender {
  readonly #choices = new Map<number, ChoiceReplay>();

  constructor(private readonly sent: Sent) {
    for (const choice of sent.answer.choices) {
      this.#choices.set(choice.index, new ChoiceReplay(choice));
    }
    for (const { data } of eventsIn(sent.events())) {
      for (const choice of objectsIn(data.choices)) this.#replayOf(choice).had(choice);
    }
  }

  get caughtUp(): boolean {
    for (const choice of this.#choices.values()) if (!choice.caughtUp) return false;
    return true;
  }

  event(data: string): Mended {
    if (data === "[DONE]") return this.caughtUp ? "data: [DONE]\n\n" : "disagrees";
    const chunk = adopt(JSON.parse(data), this.sent.answer);
    const choices = objectsIn(chunk.choices);
    // Figures, as a rule: this run's own.
    if (choices.length === 0) return this.caughtUp ? line(chunk) : null;
    const fresh: Json[] = [];
    for (const choice of choices) {
      const mended = this.#replayOf(choice).meet(choice);
      if (mended === "disagrees") return "disagrees";
      if (mended !== null) fresh.push(mended);
    }
    return fresh.length === 0 ? null : line({ ...chunk, choices: fresh });
  }

  #replayOf(choice: Json): ChoiceReplay {
    const index = Number(choice.index ?? 0);
    const known = this.#choices.get(index);
    if (known !== undefined) return known;
    const made = new ChoiceReplay(null);
    this.#choices.set(index, made);
    return made;
  }
}

/** One choice: what of it was sent, and how far that has come again. */
class ChoiceReplay {
  readonly #content: Expected;
  readonly #reasoning: Expected;
  readonly #calls: { name: Expected; arguments: Expected }[];
  /** Tokens whose probabilities, or ids, the client has, and that must pass first. */
  #entries = 0;
  #ids = 0;
  #hasRole = false;
  readonly #finished: boolean;

  /** `choice` is what the client has of it; null for nothing. */
  constructor(choice: AnswerChoice | null) {
    const message = choice?.message;
    this.#content = new Expected(message?.content ?? "");
    this.#reasoning = new Expected(message?.reasoning ?? "");
    this.#calls = (message?.tool_calls ?? []).map((call) => ({
      name: new Expected(call.function.name),
      arguments: new Expected(call.function.arguments),
    }));
    this.#finished = (choice?.finishReason ?? null) !== null;
  }

  /** Takes note of a chunk that the client has. */
  had(choice: Json): void {
    this.#entries += entriesIn(choice.logprobs);
    if (Array.isArray(choice.token_ids)) this.#ids += choice.token_ids.length;
    this.#hasRole ||= isObject(choice.delta) && textOf(choice.delta.role) !== "";
  }

  get caughtUp(): boolean {
    return this.#textsLeft === 0 && this.#entries === 0 && this.#ids === 0;
  }

  get #textsLeft(): number {
    const calls = this.#calls.reduce((sum, call) => sum + call.name.left + call.arguments.left, 0);
    return this.#content.left + this.#reasoning.left + calls;
  }

  /** What of a chunk of the second run is new; null for nothing. */
  meet(choice: Json): Json | null | "disagrees" {
    const ends = isSaid(choice.finish_reason);
    if (this.caughtUp) {
      if (this.#finished) return ends || !says(withoutRole(choice)) ? null : "disagrees";
      if (!this.#hasRole) {
        this.#hasRole = true;
        return choice;
      }
      // A chunk that only opens the message, as the client has seen one.
      const opens = isObject(choice.delta) && "role" in choice.delta && !says(withoutRole(choice));
      return opens && !ends ? null : withoutRole(choice);
    }
    const mended: Json = { ...choice };
    let isNew = false;
    if (typeof choice.text === "string") {
      const fresh = this.#content.meet(choice.text);
      if (fresh === null) return "disagrees";
      mended.text = fresh;
      isNew = fresh !== "";
    }
    if (isObject(choice.delta)) {
      const delta = this.#delta(choice.delta);
      if (delta === null) return "disagrees";
      mended.delta = delta;
      isNew = Object.values(delta).some(isSaid);
    }
    isNew = this.#tokens(choice, mended) || isNew;
    if (ends && !this.caughtUp) return "disagrees";
    if (this.#finished) return isNew ? "disagrees" : null;
    return isNew || ends ? mended : null;
  }

  /** Leaves the tokens out that the client has; whether some are new. */
  #tokens(choice: Json, mended: Json): boolean {
    let isNew = false;
    const entries = entriesIn(choice.logprobs);
    if (entries > 0) {
      const met = Math.min(this.#entries, entries);
      this.#entries -= met;
      mended.logprobs = withoutEntries(choice.logprobs as Json, met);
      isNew = met < entries;
    }
    if (Array.isArray(choice.token_ids)) {
      const met = Math.min(this.#ids, choice.token_ids.length);
      this.#ids -= met;
      mended.token_ids = choice.token_ids.slice(met);
      isNew ||= met < choice.token_ids.length;
    }
    return isNew;
  }

  /** The new part of a delta; null when it contradicts what was sent. */
  #delta(delta: Json): Json | null {
    const fresh: Json = {};
    for (const [field, value] of Object.entries(delta)) {
      if (field === "role") {
        if (!this.#hasRole) fresh.role = value;
        this.#hasRole = true;
      } else if (field === "reasoning" || field === "reasoning_content") {
        // Some servers say the same under both names.
        const again = field === "reasoning_content" && value !== "" && value === delta.reasoning;
        const text = again ? textOf(fresh.reasoning) : this.#reasoning.meet(textOf(value));
        if (text === null) return null;
        if (text !== "") fresh[field] = text;
      } else if (field === "content") {
        const text = this.#content.meet(textOf(value));
        if (text === null) return null;
        if (text !== "") fresh.content = text;
      } else if (field === "tool_calls") {
        const calls = this.#toolCalls(objectsIn(value));
        if (calls === null) return null;
        if (calls.length > 0) fresh.tool_calls = calls;
      } else if (this.#textsLeft === 0) fresh[field] = value;
    }
    // What is new comes behind all that was sent, whatever kind that was.
    if (isSaid(fresh.content) && this.#reasoning.left > 0) return null;
    const thinks = isSaid(fresh.reasoning) || isSaid(fresh.reasoning_content);
    return thinks && this.#content.left > 0 ? null : fresh;
  }

  #toolCalls(calls: Json[]): Json[] | null {
    const fresh: Json[] = [];
    for (const call of calls) {
      const known = this.#calls[Number(call.index ?? 0)];
      if (known === undefined) {
        if (this.#textsLeft > 0) return null;
        fresh.push(call);
        continue;
      }
      const said = isObject(call.function) ? call.function : {};
      const name = known.name.meet(textOf(said.name));
      const args = known.arguments.meet(textOf(said.arguments));
      if (name === null || args === null || name !== "") return null;
      if (args !== "") fresh.push({ index: call.index, function: { arguments: args } });
    }
    return fresh;
  }
}

/** Whether a chunk carries words, or tokens. */
function says(choice: Json): boolean {
  const { delta, text, token_ids, logprobs } = choice;
  return isSaid(text) || isSaid(token_ids) || entriesIn(logprobs) > 0 ||
    (isObject(delta) && Object.values(delta).some(isSaid));
}
