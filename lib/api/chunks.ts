// What chat and text completions have in common: chunks without names, `choices`, `usage`, `[DONE]`.

import { openAiError, openAiErrorBody } from "../http/openai_error.ts";
import { isObject, type Json, objectsIn, textOf } from "../json/json.ts";
import type { BodyFields, End, StreamEvent, ToldUsage } from "./dialect.ts";
import { laxInteger } from "./lax.ts";
import { placesIn } from "./text.ts";
import { dataEvent } from "./wire.ts";

/** More answers than any server gives: what asks for more will be refused, and counts as one. */
const MAX_CHOICES = 10_000;

/** `n` as vLLM takes it. */
export function choicesAsked(fields: BodyFields): number {
  const n = laxInteger(fields.value("n"));
  return n !== null && n >= 1 && n <= MAX_CHOICES ? n : 1;
}

/** The choices of a chunk or a body with the index of each. */
export function choicesIn(data: Json): { choice: Json; index: number; at: number }[] {
  return placesIn(data.choices).map(([choice, at]) => (
    { choice, at, index: typeof choice.index === "number" ? choice.index : 0 }
  ));
}

/** Whether a body holds choices at all. */
export function holdsChoices({ choices }: Json): boolean {
  return Array.isArray(choices) && choices.length > 0;
}

/** OpenAI's names for token counts. */
export function usageIn({ usage }: Json): ToldUsage | null {
  if (!isObject(usage)) return null;
  const details = isObject(usage.prompt_tokens_details) ? usage.prompt_tokens_details : {};
  return usageOf(usage.prompt_tokens, usage.completion_tokens, details.cached_tokens);
}

/** null where none of the three is a count. */
export function usageOf(prompt: unknown, completion: unknown, cached: unknown): ToldUsage | null {
  const usage = {
    promptTokens: count(prompt),
    completionTokens: count(completion),
    cachedTokens: count(cached),
  };
  return Object.values(usage).every((value) => value === null) ? null : usage;
}

function count(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

export function errorEvent(
  status: number,
  message: string,
  param: string | null = null,
): Uint8Array {
  return dataEvent(openAiError(status, message, param));
}

export const errorBody = openAiErrorBody;

/** The last chunk of one choice; `empty` is what a choice without words holds. */
export function endChunk(
  object: string,
  empty: Json,
  { reason, choice }: End,
  sent: Iterable<StreamEvent>,
): Uint8Array {
  const first = firstChunk(sent);
  return dataEvent({
    id: textOf(first.id),
    object,
    created: typeof first.created === "number" ? first.created : null,
    model: textOf(first.model),
    choices: [
      { index: choice, ...empty, logprobs: null, finish_reason: reason, stop_reason: null },
    ],
  });
}

function firstChunk(sent: Iterable<StreamEvent>): Json {
  for (const { data } of sent) if (objectsIn(data.choices).length > 0) return data;
  return {};
}
