// Whether a request fixes the form of its answer: what stands in a schema, a grammar or a list cannot be
// written otherwise without harm.

import type { AnswerForm } from "../policy/answer/rules.ts";
import { isObject } from "../json/json.ts";
import type { Fields } from "./json_fields.ts";

/** Fields of requests, of all APIs, that fix it. */
export const FORM_FIELDS = [
  "response_format",
  "structured_outputs",
  "guided_json",
  "guided_regex",
  "guided_choice",
  "guided_grammar",
  "text",
  "output_format",
  "output_config",
];
const NULL_BYTES = 4;

/** `value` reads a field, and is null for one that is longer than names are: a schema, here. */
export function answerFormOf(fields: Fields, value: (name: string) => unknown): AnswerForm {
  let form: AnswerForm = "free";
  for (const name of FORM_FIELDS) {
    const span = fields.get(name)?.at(-1);
    if (span === undefined) continue;
    const said = value(name);
    const isLong = said === null && span.end - span.start > NULL_BYTES;
    const found = isLong ? "json" : formIn(name, said);
    if (found === "json") return "json";
    if (found === "fixed") form = "fixed";
  }
  return form;
}

function formIn(name: string, said: unknown): AnswerForm {
  if (said === null || said === undefined || said === false) return "free";
  if (name === "guided_json") return "json";
  if (name.startsWith("guided_")) return "fixed";
  if (!isObject(said)) return "free";
  switch (name) {
    case "structured_outputs":
      if (said.json != null || said.json_object === true) return "json";
      return Object.values(said).some((one) => one != null && one !== false) ? "fixed" : "free";
    case "text":
    case "output_config":
      return isObject(said.format) ? formIn("response_format", said.format) : "free";
    default:
      if (said.type === "json_object" || said.type === "json_schema") return "json";
      return said.type === "text" ? "free" : "fixed";
  }
}
