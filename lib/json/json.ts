// JSON that somebody else has written: what may be said of it before anybody has looked at its fields.

/** Parsed JSON whose fields nobody has checked yet. */
export type Json = Record<string, unknown>;

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The objects among `value`, when it is a list; what else stands there is passed over. */
export function objectsIn(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The text of a field; "" for null, for a missing one and for anything that is no text. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The object that a text is; null for any other text. */
export function objectIn(text: string): Json | null {
  try {
    const json = JSON.parse(text);
    return isObject(json) ? json : null;
  } catch {
    // No JSON, or broken by whoever sent it.
    return null;
  }
}
