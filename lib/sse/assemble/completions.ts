// Text completions: chunks or a whole body to an answer, the text as the message's content.

import { type Answer, type AnswerChoice, type Assembler, reasonOf } from "./answer.ts";
import { ChunkHead } from "./chunk_head.ts";
import { type Json, objectsIn, textOf } from "../../json/json.ts";

interface OpenChoice {
  text: string[];
  finishReason: string | null;
}

export class CompletionsAssembler implements Assembler {
  readonly #choices = new Map<number, OpenChoice>();
  readonly #head = new ChunkHead();

  readonly textPath = ["text"];

  text(choice: number, text: string): void {
    this.#choices.get(choice)?.text.push(text);
  }

  event(data: Json): void {
    if (!this.#head.take(data)) return;
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
    return this.#head.answer(choices);
  }
}
