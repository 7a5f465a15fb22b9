// Token counts as they stand in an answer: in its text, found without parsing it, or in a body that is parsed.

import { latin1Text } from "../http/latin1.ts";
import { isObject, type Json } from "../json/json.ts";

/** Tokens, as a client is told. */
export interface Usage {
  promptTokens: number;
  completionTokens: number;
  /** Tokens of the prompt that were found in a cache; null where the instance does not say. */
  cachedTokens: number | null;
}

/** The same as far as an event or body says them; null for what it does not. */
class Figures {
  completion: number | null = null;
  cached: number | null = null;
  #prompt: number | null = null;
  /** Tokens that Anthropic's `input_tokens` leave out: found in a cache, or put there. The prompt has all. */
  #beside = 0;

  /** Takes a count by OpenAI's name for it, or by Anthropic's and the Responses API's. */
  take(name: string, count: number): void {
    switch (name) {
      case "prompt_tokens":
      case "input_tokens":
        this.#prompt = count;
        break;
      case "completion_tokens":
      case "output_tokens":
        this.completion = count;
        break;
      case "cached_tokens":
        this.cached = count;
        break;
      case "cache_read_input_tokens":
        this.cached = count;
        this.#beside += count;
        break;
      case "cache_creation_input_tokens":
        this.#beside += count;
        break;
    }
  }

  get prompt(): number | null {
    return this.#prompt === null ? null : this.#prompt + this.#beside;
  }

  /** What it does not say is as in `before`. null where it says neither count. */
  usage(before: Usage | null): Usage | null {
    const { prompt, completion, cached } = this;
    if (prompt === null && completion === null) return null;
    return {
      promptTokens: prompt ?? before?.promptTokens ?? 0,
      completionTokens: completion ?? before?.completionTokens ?? 0,
      // A prompt that is told again is told with its cached tokens.
      cachedTokens: cached ?? (prompt === null ? before?.cachedTokens ?? null : null),
    };
  }
}

const COUNT = /"(\w+_tokens)"\s*:\s*(\d+)/g;

/** The figures of an event or body; what it does not say is as in `before`. null where it has none. */
export function usageIn(json: string, before: Usage | null = null): Usage | null {
  const figures = new Figures();
  // Not by matchAll, which makes an expression of its own for each text.
  COUNT.lastIndex = 0;
  for (let found = COUNT.exec(json); found !== null; found = COUNT.exec(json)) {
    const count = Number(found[2]);
    if (isCount(count)) figures.take(found[1], count);
  }
  return figures.usage(before);
}

/** The same of a body that is parsed: its counts stand in its `usage` and in the details of that. */
export function usageOf({ usage }: Json): Usage | null {
  if (!isObject(usage)) return null;
  const figures = new Figures();
  for (const name in usage) {
    const value = usage[name];
    if (isObject(value)) takeCounts(figures, value);
  }
  takeCounts(figures, usage);
  return figures.usage(null);
}

/** Usage is no longer; that of most bodies stands as near to the end. */
const MAX_BYTES = 2048;
/** Within a text of the answer the quotes would be escaped. */
const BEGIN = /"usage"\s*:\s*\{/g;

/** The same of a body that is not parsed. vLLM tells ids and log-probabilities of a prompt behind its usage. */
export function usageOfBody(body: Uint8Array): Usage | null {
  const { length } = body;
  const near = usageAtEnd(latin1Text(body, Math.max(0, length - MAX_BYTES), length));
  return near ?? (length > MAX_BYTES ? usageAtEnd(latin1Text(body, 0, length)) : null);
}

function usageAtEnd(json: string): Usage | null {
  let at = -1;
  for (const { index } of json.matchAll(BEGIN)) at = index;
  return at < 0 ? null : usageIn(json.slice(at, at + MAX_BYTES));
}

/** More tokens than these no request has: such a figure would use up any budget, and sums must stay numbers. */
const MOST = 1_000_000_000;

/** Whether it can be a count of tokens, whatever an instance says. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MOST;
}

function takeCounts(figures: Figures, given: Json): void {
  for (const name in given) {
    const value = given[name];
    if (isCount(value)) figures.take(name, value);
  }
}
