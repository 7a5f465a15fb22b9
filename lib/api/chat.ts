// Chat completions, POST /v1/chat/completions: messages and deltas in choices, with the spellings of the
// servers that offer it.

import { isObject, type Json } from "../json/json.ts";
import { ChatAssembler } from "../sse/assemble/chat.ts";
import { askedByChat } from "./asked/chat.ts";
import { promptOfChat } from "./asked/prompt.ts";
import {
  choicesAsked,
  choicesIn,
  endChunk,
  errorBody,
  errorEvent,
  holdsChoices,
  usageIn,
} from "./chunks.ts";
import type { Dialect, Text } from "./dialect.ts";
import { partOf, type Path, placesIn, textAt } from "./text.ts";
import { ChatVoice } from "./voice_chunks.ts";
import { DONE_EVENT } from "./wire.ts";

export const chat: Dialect = {
  name: "chat",
  path: "/v1/chat/completions",
  choiceFields: ["n"],
  promptFields: ["tools", "messages"],
  answerLengthFields: ["max_completion_tokens", "max_tokens"],
  choicesOf: choicesAsked,
  asked: askedByChat,
  prompt: promptOfChat,
  assembler: () => new ChatAssembler(),
  texts: textsOf,
  holdsAnswer: holdsChoices,
  usageIn,
  errorEvent,
  errorBody,
  endEvents: (end, sent) => endChunk("chat.completion.chunk", { delta: {} }, end, sent),
  doneEvent: DONE_EVENT,
  resumeWays: ["exact", "continue", "replay"],
  voice: (sent) => new ChatVoice(sent),
  keepsAnswers: false,
};

function textsOf(data: Json): Text[] {
  return choicesIn(data).flatMap(({ choice, index, at }) =>
    // Some servers give a body's message where a delta belongs.
    ["delta", "message"].flatMap((field) => {
      const said = choice[field];
      return isObject(said) ? saidIn(said, index, ["choices", at, field]) : [];
    })
  );
}

function saidIn(said: Json, choice: number, path: Path): Text[] {
  const { content, reasoning, reasoning_content, refusal, audio, function_call } = said;
  // vLLM 0.11 said the same under both names.
  const again = typeof reasoning === "string" && reasoning !== "";
  return [
    ...textAt(partOf(choice, "reasoning"), reasoning, [...path, "reasoning"]),
    ...textAt(partOf(choice, "reasoning", "", again), reasoning_content, [
      ...path,
      "reasoning_content",
    ]),
    ...textAt(partOf(choice, "content"), content, [...path, "content"]),
    ...placesIn(content).flatMap(([part, at]) =>
      textAt(partOf(choice, "content"), part.text, [...path, "content", at, "text"])
    ),
    ...textAt(partOf(choice, "content", "refusal"), refusal, [...path, "refusal"]),
    ...(isObject(audio)
      ? textAt(partOf(choice, "content", "audio"), audio.transcript, [
        ...path,
        "audio",
        "transcript",
      ])
      : []),
    ...placesIn(said.tool_calls).flatMap(([call, at]) =>
      givenTo(call, choice, at, [...path, "tool_calls", at])
    ),
    ...(isObject(function_call)
      ? textAt(partOf(choice, "arguments", "function"), function_call.arguments, [
        ...path,
        "function_call",
        "arguments",
      ])
      : []),
  ];
}

/** The arguments of a tool call, of a function or a custom tool. */
function givenTo(call: Json, choice: number, at: number, path: Path): Text[] {
  const part = partOf(
    choice,
    "arguments",
    String(typeof call.index === "number" ? call.index : at),
  );
  const fn = isObject(call.function) ? call.function : {};
  const custom = isObject(call.custom) ? call.custom : {};
  return [
    ...textAt(part, fn.arguments, [...path, "function", "arguments"]),
    ...textAt(part, custom.input, [...path, "custom", "input"]),
  ];
}
