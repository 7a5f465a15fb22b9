// The words by which servers say what is wrong: names of errors, prompts that do not fit, full queues, a
// server on its way out. Each with whose words they are.

import { isObject } from "../../json/json.ts";
import type { Fields } from "./fields.ts";

/** Names of errors and the HTTP status that they stand for, written small and without separators. */
const STATUS_OF_NAME: ReadonlyMap<string, number> = new Map(Object.entries({
  badrequest: 400,
  badrequesterror: 400,
  invalidrequesterror: 400,
  validation: 400,
  contextlengthexceeded: 400,
  exceedcontextsizeerror: 400,
  contentpolicyviolation: 400,
  contentfilter: 400,
  invalidprompt: 400,
  authenticationerror: 401,
  invalidapikey: 401,
  unauthorized: 401,
  permissionerror: 403,
  permissiondeniederror: 403,
  forbidden: 403,
  notfound: 404,
  notfounderror: 404,
  modelnotfound: 404,
  requesttoolarge: 413,
  unprocessableentity: 422,
  unprocessableentityerror: 422,
  ratelimiterror: 429,
  ratelimitexceeded: 429,
  ratelimitreached: 429,
  insufficientquota: 429,
  toomanyrequests: 429,
  apierror: 500,
  internalerror: 500,
  internalservererror: 500,
  servererror: 500,
  notimplementederror: 501,
  serviceunavailable: 503,
  serviceunavailableerror: 503,
  unavailableerror: 503,
  overloaded: 503,
  timeouterror: 504,
  overloadederror: 529,
}));

/** The HTTP status that the name of an error stands for; null for a name that is not known. */
export function statusOfName(name: string): number | null {
  return STATUS_OF_NAME.get(name.toLowerCase().replace(/[\s_-]/g, "")) ?? null;
}

/** vLLM, SGLang, llama.cpp, TGI, OpenAI, Anthropic: how each says that a prompt does not fit. */
const TOO_LONG = new RegExp(
  [
    "maximum (context|model) length",
    "context_length_exceeded",
    "max_model_len",
    "max_total_tokens",
    "longer than the (maximum|model)",
    "model's context length",
    "exceeds? (the )?(available |model's )?context (size|window|length|limit)",
    "prompt is too long",
    "`?inputs`? tokens \\+ `?max_new_tokens`? must be",
  ].join("|"),
  "i",
);

/** Whether the prompt, alone or with the answer asked for, does not fit. */
export function saysTooLong({ code, type }: Fields, words: string): boolean {
  return code === "context_length_exceeded" || type === "exceed_context_size_error" ||
    TOO_LONG.test(words);
}

/** The first is llama.cpp's field; the others are words of vLLM's versions, SGLang, TGI and Anthropic. */
const CONTEXT_LENGTHS = [
  /(?:maximum )?(?:context|model) length (?:is|of)(?: only)? (\d{1,9})\b/i,
  /context length \((\d{1,9})(?: tokens)?\)/i,
  /(?:max_model_len|max_total_tokens)[`'"]?\s*[=:]\s*(?:\w+=)?(\d{1,9})\b/i,
  /must be <= (\d{1,9})\b/,
  /> (\d{1,9}) maximum\b/,
  /exceed context limit: \d{1,9} \+ \d{1,9} > (\d{1,9})\b/,
];

/** The context that a text which says "too long" names, in tokens; null without. */
export function contextLengthIn(parsed: unknown, words: string): number | null {
  const error = isObject(parsed) && isObject(parsed.error) ? parsed.error : parsed;
  if (isObject(error) && Number.isInteger(error.n_ctx)) return positive(Number(error.n_ctx));
  for (const pattern of CONTEXT_LENGTHS) {
    const found = pattern.exec(words);
    if (found !== null) return positive(Number(found[1]));
  }
  return null;
}

function positive(length: number): number | null {
  return length > 0 && length < 1e9 ? length : null;
}

/** vLLM's limits of its queue (0.27 and later), SGLang's, TGI's and Anthropic's. */
const BUSY =
  /currently busy|cannot accept new requests|backlog limit|queue is full|is overloaded|^overloaded$|too many requests/i;

/** Whether the server has as much work as it takes. */
export function saysBusy({ type, code }: Fields, words: string, status: number | null): boolean {
  if (status === 429 || status === 529) return true;
  if (status !== 503 && status !== null) return false;
  return type === "Service Unavailable" || type === "overloaded_error" || type === "overloaded" ||
    code === "overloaded" || BUSY.test(words);
}

/** vLLM while it drains (`--shutdown-timeout`), and uvicorn. */
const SHUTTING_DOWN =
  /cannot schedule new futures after (interpreter )?shutdown|(server|engine|instance|gateway|service) is (shutting down|draining|terminating)/i;

export function saysShuttingDown(words: string): boolean {
  return SHUTTING_DOWN.test(words);
}

/** vLLM: an engine that is lost answers nothing any more. At the beginning: further on it may be a quotation. */
const ENGINE_DEAD =
  /^\s*(EngineDeadError|EngineCore encountered an issue|Engine loop is not running|Background loop (has errored already|is stopped))/;

/** Whether the engine behind the server is lost: it says so to all until it is started anew. */
export function saysEngineDead(words: string): boolean {
  return ENGINE_DEAD.test(words);
}

/** What a 404 is about. One that is no object is no API's own: a page, `404 page not found`, nothing at all. */
export function lackIn(
  { type, code, param }: Fields,
  words: string,
  hasFields: boolean,
): "model" | "path" | null {
  if (code === "model_not_found" || param === "model") return "model";
  if (/\bmodel\b.{0,200}\b(does not exist|not found|not exist)/i.test(words)) return "model";
  if (!hasFields || /^not found$/i.test(words.trim())) return "path";
  // Anthropic names the model alone: "model: claude-x".
  return type === "not_found_error" && /^model:/.test(words) ? "model" : null;
}

/** "try again in 20s", "in 350ms", "in 6m0s", a field `retry_after`, Google's `retryDelay`. */
export function retryAfterIn(parsed: unknown, words: string): number | null {
  if (isObject(parsed)) {
    const error = isObject(parsed.error) ? parsed.error : parsed;
    for (const value of [error.retry_after, parsed.retry_after]) {
      if (typeof value === "number" && value >= 0 && value < 1e6) return value;
    }
    for (const detail of Array.isArray(error.details) ? error.details.slice(0, 20) : []) {
      const delay = isObject(detail) ? detail.retryDelay : undefined;
      const seconds = typeof delay === "string" ? /^(\d{1,6}(?:\.\d{1,9})?)s$/.exec(delay) : null;
      if (seconds !== null) return Number(seconds[1]);
    }
  }
  const asked =
    /(?:try again|retry)(?: after| in) (?:(\d{1,4})h)?(?:(\d{1,5})m(?!s))?(?:(\d{1,7}(?:\.\d{1,9})?) ?(ms|s))?/i
      .exec(words);
  if (asked === null) return null;
  const [, hours, minutes, amount, unit] = asked;
  if (hours === undefined && minutes === undefined && amount === undefined) return null;
  const seconds = amount === undefined
    ? 0
    : Number(amount) / (unit.toLowerCase() === "ms" ? 1000 : 1);
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + seconds;
}
