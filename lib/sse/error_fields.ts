// Where an error stands in the JSON of an event or a body. What it means is left to lib/api/error.ts.

import { isObject, type Json } from "../json/json.ts";
import { isError } from "./meaning.ts";

/** Parsed JSON whose fields nobody has checked yet. */
/**
 * The object or text that says what went wrong, in every form that servers use: OpenAI's and vLLM's nested
 * object, vLLM's flat one (before 0.10.1) and SGLang's, a plain string (vLLM's 401), Anthropic's. null where
 * `data` is no error; `error: null`, `""`, `false`, `{}` and objects of nothing else say nothing.
 */
export function errorFields(data: Json): Json | string | null {
  const { error } = data;
  if ((typeof error === "string" || isObject(error)) && isError(error)) return error;
  return data.object === "error" || data.type === "error" ? data : null;
}
