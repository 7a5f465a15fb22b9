// What pydantic takes in vLLM's bodies beside JSON's own types: "2" and 2.0 for an integer, 1 and "true"
// for a boolean. Ranges are left to who reads the fields.

import { invalidBody } from "./errors.ts";
import type { Json } from "./exchange.ts";

type Type = "bool" | "int" | "float";

const FIELDS: Record<string, Type> = {
  ...types("bool", [
    ...["stream", "echo", "ignore_eos", "logprobs", "return_token_ids", "store", "background"],
    ...["add_generation_prompt", "continue_final_message", "add_special_tokens"],
    ...["skip_special_tokens", "include_stop_str_in_output", "return_tokens_as_token_ids"],
    "return_token_strs",
  ]),
  ...types("int", [
    ...["n", "seed", "max_tokens", "max_completion_tokens", "max_output_tokens", "min_tokens"],
    ...["top_logprobs", "stream_interval"],
  ]),
  ...types("float", [
    ...["temperature", "top_p", "presence_penalty", "frequency_penalty", "repetition_penalty"],
  ]),
};
const STREAM_OPTIONS = types("bool", ["include_usage", "continuous_usage_stats"]);

function types(type: Type, names: readonly string[]): Record<string, Type> {
  return Object.fromEntries(names.map((name) => [name, type]));
}

const TRUE = ["1", "on", "t", "true", "y", "yes"];
const FALSE = ["0", "off", "f", "false", "n", "no"];

/**
 * A body with its lax fields in the types that they stand for. `logprobs` is a number under
 * /v1/completions. Throws ApiError 400 on what pydantic refuses.
 */
export function lax(path: string, body: Json): Json {
  const own: Record<string, Type> = path === "/v1/completions" ? { logprobs: "int" } : {};
  const read = { ...body };
  convert(read, { ...FIELDS, ...own }, "");
  if (typeof body.stream_options === "object" && body.stream_options !== null) {
    const options = { ...body.stream_options as Json };
    convert(options, STREAM_OPTIONS, "stream_options.");
    read.stream_options = options;
  }
  return read;
}

function convert(body: Json, fields: Record<string, Type>, where: string): void {
  for (const [name, type] of Object.entries(fields)) {
    const value = body[name];
    if (value === undefined || value === null) continue;
    body[name] = type === "bool" ? boolean(value, where + name) : number(value, type, where + name);
  }
}

function boolean(value: unknown, name: string): boolean {
  if (typeof value === "boolean") return value;
  const text = String(value).toLowerCase();
  if (typeof value === "number" || typeof value === "string") {
    if (TRUE.includes(text)) return true;
    if (FALSE.includes(text)) return false;
  }
  throw invalidBody("bool_parsing", name, "Input should be a valid boolean");
}

function number(value: unknown, type: "int" | "float", name: string): number {
  const read = typeof value === "string" && value.trim() === "" ? NaN : Number(value);
  const scalar = typeof value === "number" || typeof value === "string" ||
    typeof value === "boolean";
  if (!scalar || Number.isNaN(read) || (type === "int" && !Number.isInteger(read))) {
    const kind = type === "int" ? "integer" : "number";
    throw invalidBody(`${type}_parsing`, name, `Input should be a valid ${kind}`);
  }
  return read;
}
