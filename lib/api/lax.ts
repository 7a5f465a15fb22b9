// Values of a request as vLLM takes them: its validation (pydantic, not strict) reads a number from a text
// and a truth value from several words.

/** A whole number, also one that is written as a text or with a fraction of nothing; null for others. */
export function laxInteger(value: unknown): number | null {
  if (value === true) return 1;
  const number = typeof value === "string" && /^\s*[+-]?\d+(_\d+)*(\.0*)?\s*$/.test(value)
    ? Number(value.replaceAll("_", ""))
    : value;
  return typeof number === "number" && Number.isSafeInteger(number) ? number : null;
}

const TRUE_WORDS = new Set(["true", "t", "yes", "y", "on", "1"]);

/** Whether the value stands for true. */
export function laxTrue(value: unknown): boolean {
  if (typeof value === "string") return TRUE_WORDS.has(value.toLowerCase());
  return value === true || value === 1;
}
