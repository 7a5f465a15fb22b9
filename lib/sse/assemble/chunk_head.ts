// What the chunks of chat and text completions have in common, beside their choices: whose answer it is, what
// it used, and an error.

import { type Answer, type AnswerChoice, errorIn, isRealEnd } from "./answer.ts";
import { isObject, type Json, textOf } from "../../json/json.ts";

export class ChunkHead {
  #usage: Json | null = null;
  #id = "";
  #model = "";
  #created: number | null = null;
  #error: string | undefined;

  /** Takes a chunk or a whole body; false for an error, which has no choices. */
  take(data: Json): boolean {
    const error = errorIn(data);
    if (error !== undefined) {
      this.#error ??= error;
      return false;
    }
    this.#id ||= textOf(data.id);
    this.#model ||= textOf(data.model);
    if (typeof data.created === "number") this.#created ??= data.created;
    // continuous_usage_stats puts it into every chunk; the last one counts everything.
    if (isObject(data.usage)) this.#usage = data.usage;
    return true;
  }

  /** The answer with these choices, complete where each of them has come to its end. */
  answer(choices: AnswerChoice[]): Answer {
    return {
      choices,
      usage: this.#usage,
      id: this.#id,
      model: this.#model,
      created: this.#created,
      error: this.#error,
      malformed: 0,
      complete: this.#error === undefined && choices.length > 0 &&
        choices.every((choice) => isRealEnd(choice.finishReason)),
    };
  }
}
