// How the APIs call the most tokens that an answer may have, and what a request says of it.

import { type Api, dialectOf, dialects } from "../../api/dialects.ts";
import { laxInteger } from "../../api/lax.ts";
import type { Json } from "../../json/json.ts";

/** Every name, in any API. */
export const ANSWER_LENGTHS: readonly string[] = [
  ...new Set(Object.values(dialects).flatMap(({ answerLengthFields }) => answerLengthFields)),
];

/** The names that `api` reads. */
export function answerLengthNames(api: Api): readonly string[] {
  return dialectOf(api).answerLengthFields;
}

/** The name to write where the request has none. */
export function answerLengthName(api: Api): string {
  return api === "responses" ? "max_output_tokens" : "max_tokens";
}

/** The longest answer that the request allows; null where it does not say. */
export function answerLengthOf(api: Api, json: Json): number | null {
  for (const name of answerLengthNames(api)) {
    const tokens = laxInteger(json[name]);
    if (tokens !== null) return tokens;
  }
  return null;
}
