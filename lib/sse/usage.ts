// Token counts as they stand in an answer's text, found without parsing it.

/** Tokens, as a client is told. */
export interface Usage {
  promptTokens: number;
  completionTokens: number;
  /** Tokens of the prompt that were found in a cache; null where the instance does not say. */
  cachedTokens: number | null;
}

/** The same as far as an event or body says them; null for what it does not. */
interface Figures {
  readonly prompt: number | null;
  readonly completion: number | null;
  readonly cached: number | null;
}

const COUNT = /"(\w+_tokens)"\s*:\s*(\d+)/g;

/**
 * Token counts in an event or body: OpenAI's names or Anthropic's and the Responses API's. null where there
 * are none. Anthropic's `input_tokens` leave out what was found in a cache, or put there; the prompt has all.
 */
function figuresIn(json: string): Figures | null {
  let prompt: number | null = null;
  let completion: number | null = null;
  let cached: number | null = null;
  let beside = 0;
  // Not by matchAll, which makes an expression of its own for each text.
  COUNT.lastIndex = 0;
  for (let found = COUNT.exec(json); found !== null; found = COUNT.exec(json)) {
    const count = Number(found[2]);
    switch (found[1]) {
      case "prompt_tokens":
      case "input_tokens":
        prompt = count;
        break;
      case "completion_tokens":
      case "output_tokens":
        completion = count;
        break;
      case "cached_tokens":
        cached = count;
        break;
      case "cache_read_input_tokens":
        cached = count;
        beside += count;
        break;
      case "cache_creation_input_tokens":
        beside += count;
        break;
    }
  }
  if (prompt === null && completion === null) return null;
  return { prompt: prompt === null ? null : prompt + beside, completion, cached };
}

/** The figures of an event or body; what it does not say is as in `before`. null where it has none. */
export function usageIn(json: string, before: Usage | null = null): Usage | null {
  const figures = figuresIn(json);
  if (figures === null) return null;
  const { prompt, completion, cached } = figures;
  return {
    promptTokens: prompt ?? before?.promptTokens ?? 0,
    completionTokens: completion ?? before?.completionTokens ?? 0,
    // A prompt that is told again is told with its cached tokens.
    cachedTokens: cached ?? (prompt === null ? before?.cachedTokens ?? null : null),
  };
}
