// Token counts as instances tell them.

/** Token counts; null for what is not said (the Messages API says it in two events). */
export interface ToldUsage {
  /** All tokens of the prompt, cached ones among them. */
  promptTokens: number | null;
  completionTokens: number | null;
  /** Tokens of the prompt that were found in a cache. */
  cachedTokens: number | null;
}

/** The figures of `before`, with those that `next` knows in their place. */
export function mergedUsage(before: ToldUsage | null, next: ToldUsage | null): ToldUsage | null {
  if (before === null || next === null) return next ?? before;
  return {
    promptTokens: next.promptTokens ?? before.promptTokens,
    completionTokens: next.completionTokens ?? before.completionTokens,
    cachedTokens: next.cachedTokens ?? before.cachedTokens,
  };
}
