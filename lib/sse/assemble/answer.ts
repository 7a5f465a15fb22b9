// What an answer is once its deltas are put together, the same for every API. What was asked, and the
// shape of a record, are left to lib/record.

import { type Json, textOf } from "../../json/json.ts";
import { errorFields } from "../error_fields.ts";
import { isReason } from "../meaning.ts";

export interface ToolCall {
  id: string;
  type: string;
  /** `arguments` is the text as the model wrote it, which may be no JSON. */
  function: { name: string; arguments: string };
}

export interface AnswerMessage {
  role: string;
  /** null where the model said nothing beside its tool calls. */
  content: string | null;
  reasoning?: string;
  tool_calls?: ToolCall[];
  /** Fields this program does not know, as they came. */
  [field: string]: unknown;
}

export interface AnswerChoice {
  index: number;
  message: AnswerMessage;
  /** null when the choice never ended. */
  finishReason: string | null;
}

export interface Answer {
  /** In the order of their index. */
  choices: AnswerChoice[];
  usage: Json | null;
  id: string;
  /** As the instance calls itself; "" where it did not say. */
  model: string;
  /** Seconds since 1970; null where the instance did not say. */
  created: number | null;
  /** What the instance said went wrong. */
  error?: string;
  /** Events that were no JSON. */
  malformed: number;
  /** Each choice ended for a reason that is a real end, and no error came. */
  complete: boolean;
  /** The instance has taken the request and is still at it: a background answer. */
  pending?: boolean;
}

/** Puts one answer together. Whatever comes, nothing throws: what is odd is counted or passed over. */
export interface Assembler {
  /** Takes one event of a stream, `[DONE]` and comments left out. */
  event(data: Json, name: string | undefined): void;
  /** Takes a whole answer that was not streamed. */
  body(data: Json): void;
  /** The answer so far. */
  answer(): Answer;
  /** Where the text of a usual event stands, from the choice on; missing where there is no such event. */
  readonly textPath?: readonly string[];
  /** Takes the text of a usual event; goes with `textPath`. */
  text?(choice: number, text: string): void;
}

/** A finish reason; null for what servers write where there is none, "" and "null" among it. */
export function reasonOf(value: unknown): string | null {
  return typeof value === "string" && isReason(value) ? value : null;
}

/** "abort" and "error" are how vLLM says that it gave up. */
export function isRealEnd(finishReason: string | null): boolean {
  return finishReason !== null && finishReason !== "abort" && finishReason !== "error";
}

/** The words of an error event or body, in full; undefined when `data` is no error. */
export function errorIn(data: Json): string | undefined {
  const error = errorFields(data);
  if (error === null || typeof error === "string") return error ?? undefined;
  return textOf(error.message) || JSON.stringify(error);
}
