// The probabilities in a chunk, token by token: a list of entries in chat, columns in text completions.

import { isObject, type Json } from "../../json/json.ts";

/** Tokens of which `logprobs` tells. */
export function entriesIn(logprobs: unknown): number {
  if (!isObject(logprobs)) return 0;
  const { content, tokens } = logprobs;
  if (Array.isArray(content)) return content.length;
  return Array.isArray(tokens) ? tokens.length : 0;
}

/** `logprobs` without its first `count` tokens. */
export function withoutEntries(logprobs: Json, count: number): Json {
  const rest: Json = {};
  for (const [name, value] of Object.entries(logprobs)) {
    rest[name] = Array.isArray(value) ? value.slice(count) : value;
  }
  return rest;
}
