// What can be wrong with a user's expression, so that a configuration with one is refused.

import { RE2JS } from "re2js";

/** What is wrong with a pattern; null for nothing. */
export function patternFault(pattern: string): string | null {
  try {
    const compiled = RE2JS.compile(pattern);
    if (compiled.matcher("").matches()) return "matches the empty text";
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Whether matches have an end that the pattern itself sets. */
export function isUnbounded(pattern: string): boolean {
  const plain = pattern.replace(/\\./g, "x").replace(/\[[^\]]*\]/g, "x");
  return /[*+]|\{\d+,\}/.test(plain);
}
