// Reasoning parsers as vLLM has them: which tokens of an answer are its reasoning. They know the marks
// of thinking and nothing of the model, so an answer whose prompt has no mark is reasoning until one
// comes, even where it goes on with a text that had long begun.

import { SPECIAL } from "./tokenizer.ts";
import type { ReasoningParserName } from "./parsers.ts";

/** What a parser takes a token for; a mark has no text. */
export type Part = "reasoning" | "content" | "mark";

/** Reads one answer. */
export class ReasoningParser {
  #reasoning: boolean;

  /** `thinking` is `enable_thinking` of the request, which qwen3 goes by. */
  constructor(name: ReasoningParserName, prompt: readonly number[], thinking: boolean) {
    this.#reasoning = !endsThought(prompt) && !(name === "qwen3" && !thinking);
  }

  take(id: number): Part {
    if (id !== SPECIAL.think && id !== SPECIAL.thinkEnd) {
      return this.#reasoning ? "reasoning" : "content";
    }
    if (id === SPECIAL.thinkEnd) this.#reasoning = false;
    return "mark";
  }
}

function endsThought(prompt: readonly number[]): boolean {
  return prompt.lastIndexOf(SPECIAL.thinkEnd) > prompt.lastIndexOf(SPECIAL.think);
}
