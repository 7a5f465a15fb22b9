// vLLM's `cache_salt`, by which the prompts of one group share no cache with those of others.

import { withLastField } from "./last_field.ts";

/** The body of a JSON object with this salt, whatever it says of one. */
export function withSalt(body: Uint8Array, salt: string): Uint8Array {
  return withLastField(body, "cache_salt", salt).body;
}
