// Text completions, POST /v1/completions: `text` in choices; several prompts give several answers.

import { CompletionsAssembler } from "../sse/assemble/completions.ts";
import { askedByCompletions } from "./asked/completions.ts";
import {
  choicesAsked,
  choicesIn,
  endChunk,
  errorBody,
  errorEvent,
  holdsChoices,
  usageIn,
} from "./chunks.ts";
import type { BodyFields, Dialect } from "./dialect.ts";
import { partOf, textAt } from "./text.ts";
import { CompletionsVoice } from "./voice_chunks.ts";
import { DONE_EVENT } from "./wire.ts";

export const completions: Dialect = {
  name: "completions",
  path: "/v1/completions",
  choiceFields: ["n", "prompt"],
  promptFields: ["prompt"],
  answerLengthFields: ["max_tokens"],
  choicesOf: (fields) => choicesAsked(fields) * promptCount(fields),
  asked: askedByCompletions,
  assembler: () => new CompletionsAssembler(),
  texts: (data) =>
    choicesIn(data).flatMap(({ choice, index, at }) =>
      textAt(partOf(index, "content"), choice.text, ["choices", at, "text"])
    ),
  holdsAnswer: holdsChoices,
  usageIn,
  errorEvent,
  errorBody,
  endEvents: (end, sent) => endChunk("text_completion", { text: "" }, end, sent),
  doneEvent: DONE_EVENT,
  resumeWays: ["exact", "continue", "replay"],
  voice: (sent) => new CompletionsVoice(sent),
  keepsAnswers: false,
};

/** A list of texts or of token lists is several prompts, one list of tokens is one. */
function promptCount(fields: BodyFields): number {
  const prompts = fields.list("prompt");
  return prompts !== null && (prompts.first === '"' || prompts.first === "[") ? prompts.items : 1;
}
