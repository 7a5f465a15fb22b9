// An event's JSON with other texts in it, as policies change them.

import type { Text } from "../../lib/api/dialect.ts";
import { valueOf } from "../../lib/policy/answer/held.ts";
import { withValues } from "../../lib/policy/prompt/json_splice.ts";

export function withTexts(json: string, changes: readonly { place: Text; text: string }[]): string {
  const values = changes.map(({ place, text }) => ({
    path: place.path,
    json: valueOf(place, text),
  }));
  return new TextDecoder().decode(withValues(new TextEncoder().encode(json), values));
}
