// Where the prompt stands in a request's body, for those who hash it. Its bytes are not looked into here,
// but for a list of several prompts.

import type { BodyFields, Dialect } from "../api/dialect.ts";
import { laxInteger } from "../api/lax.ts";
import { stringEnd } from "../json/json_string.ts";
import { emptyList } from "../http/memory.ts";
import type { Part, Prompt } from "../pool/prefix/chain.ts";
import type { Field, Fields } from "./json_fields.ts";

const QUOTE = 34;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;

const SALT = "cache_salt";

/** Top-level fields of requests that `promptOf` reads, beside those that are named by the API. */
export const PROMPT_FIELDS: readonly string[] = [SALT];

/** What is known of the prompt of a request in this dialect. */
export function promptOf(
  body: Uint8Array,
  fields: Fields,
  { value }: BodyFields,
  { promptFields, answerLengthFields }: Dialect,
): Prompt {
  // Without lists in between: it is on the way of every request.
  const found: Field[] = emptyList();
  for (const name of promptFields) {
    const field = fields.get(name)?.at(-1);
    if (field !== undefined) found.push(field);
  }
  const isCompletion = promptFields[0] === "prompt" && found.length === 1;
  const { parts, moreBytes, ids } = isCompletion ? firstPrompt(body, found[0]) : whole(found);
  const salt = value(SALT);
  const answerTokens = answerTokensIn(fields, value, answerLengthFields);
  return { parts, moreBytes, ids, salt: typeof salt === "string" ? salt : "", answerTokens };
}

function whole(parts: readonly Part[]): Pick<Prompt, "parts" | "moreBytes" | "ids"> {
  return { parts, moreBytes: 0, ids: null };
}

/** The first field that a server takes for a number counts. */
function answerTokensIn(
  fields: Fields,
  value: BodyFields["value"],
  names: readonly string[],
): number {
  for (const name of names) {
    const said = value(name);
    const tokens = typeof said === "number" ? said : laxInteger(said);
    if (tokens !== null) return Number.isFinite(tokens) && tokens > 0 ? tokens : 0;
    // Nobody reads a number in so many bytes here, and a server may.
    if (said === null && !isNull(fields.get(name)!.at(-1)!)) return Number.MAX_SAFE_INTEGER;
  }
  return 0;
}

function isNull({ start, end }: Field): boolean {
  return end - start === "null".length;
}

/** A prompt is a text or a list of token ids; a list of these is several prompts. */
function firstPrompt(body: Uint8Array, field: Field): Pick<Prompt, "parts" | "moreBytes" | "ids"> {
  if (body[field.start] !== OPEN_ARRAY) return { parts: [field], moreBytes: 0, ids: null };
  let start = field.start + 1;
  while (body[start] <= 32) start++;
  const first = body[start];
  if (first !== QUOTE && first !== OPEN_ARRAY) {
    return { parts: [field], moreBytes: 0, ids: field.items };
  }
  const last = first === QUOTE
    ? stringEnd(body, start + 1, field.end)
    : body.indexOf(CLOSE_ARRAY, start);
  const part: Part = { start, end: last < 0 ? field.end : last + 1 };
  return { parts: [part], moreBytes: field.end - part.end, ids: null };
}
