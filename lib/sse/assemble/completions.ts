// Text completions: chunks or a whole body to an answer, the text as the message's content.

import {
  type Answer,
  type AnswerChoice,
  type Assembler,
  errorIn,
  isRealEnd,
  reasonOf,
} from "./answer.ts";
import { isObject, type Json, objectsIn, textOf } from "../../json/json.ts";

interface OpenChoice {
  text: string[];
  finishReason: string | null;
}

export class CompletionsAssembler implements Assembler {
  readonly #choices = new Map<number, OpenChoice>();
  #usage: Json | null = null;
  #id = "";
  #model = "";
  #created: number | null = null;
  #error: string | undefined;

  readonly textPath = ["text"];

  text(choice: number, text: string): void {
    this.#choices.get(choice)?.text.push(text);
  }

  event(data: Json): void {
    const error = errorIn(data);
    if (error !== undefined) {
      this.#error ??= error;
      return;
    }
    this.#id ||= textOf(data.id);
    this.#model ||= textOf(data.model);
    if (typeof data.created === "number") this.#created ??= data.created;
    if (isObject(data.usage)) this.#usage = data.usage;
    for (const choice of objectsIn(data.choices)) {
      const index = typeof choice.index === "number" ? choice.index : 0;
      const open = this.#choices.get(index) ?? { text: [], finishReason: null };
      this.#choices.set(index, open);
      open.text.push(textOf(choice.text));
      open.finishReason = reasonOf(choice.finish_reason) ?? open.finishReason;
    }
  }

  body(data: Json): void {
    this.event(data);
  }

  answer(): Answer {
    const choices = [...this.#choices].sort(([a], [b]) => a - b).map(
      ([index, open]): AnswerChoice => ({
        index,
        message: { role: "assistant", content: open.text.join("") },
        finishReason: open.finishReason,
      }),
    );
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
