// What an error text of an instance says: the one place that reads it, as a body or as the data of an
// event. Facts only; what becomes of the request is the forward loop's to decide. Pure, never throws.

import { isObject, type Json } from "../json/json.ts";
import { errorWithin, type Fields, fieldsOf, parsedOrNull, tamed } from "./error/fields.ts";
import {
  contextLengthIn,
  lackIn,
  retryAfterIn,
  saysBusy,
  saysEngineDead,
  saysShuttingDown,
  saysTooLong,
  statusOfName,
} from "./error/words.ts";

export { MAX_MESSAGE, tamed } from "./error/fields.ts";

/** An error of an instance, read. A fact that the text does not give is null, "" or false. */
export interface InstanceError {
  /** Its words in one line without control characters, at most MAX_MESSAGE long; "" for none. */
  message: string;
  /** The HTTP status that it amounts to: the answer's own where that is an error, else what the text names. */
  status: number | null;
  /** Its class as the server names it: "BadRequestError", "overloaded_error". */
  type: string;
  /** A code in words, such as OpenAI's "context_length_exceeded". */
  code: string;
  /** The parameter of the request that it complains of. */
  param: string | null;
  /** Seconds after which the text says that it is worth asking again. */
  retryAfterS: number | null;
  /** The prompt, or what is asked for with it, does not fit this instance's context. */
  tooLong: boolean;
  /** The instance's context in tokens, where a text that says "too long" names it. */
  contextLength: number | null;
  /** It has as much work as it takes: no failure, ask elsewhere. */
  busy: boolean;
  /** It is on its way out and takes nothing new. */
  shuttingDown: boolean;
  /** Its engine is lost: whatever it is asked, it answers nothing until it has been started anew. */
  engineDead: boolean;
  /** The request itself is at fault: every instance would say the same. */
  clients: boolean;
  /** The credentials were refused (401, 403): the operator's matter where the gateway lent its own. */
  refusesKey: boolean;
  /** It does not have the model, or the path, that it was asked for (404). */
  lacks: "model" | "path" | null;
}

/** How much of a message is searched for what it says. */
const MAX_SEARCHED_CHARS = 8192;

const decoder = new TextDecoder();

/**
 * Reads an error body or the data of an error event. `status` is that of the answer it came with: an error
 * inside a 200 is worth what the text itself names.
 */
export function readError(text: Uint8Array | string, status: number | null = null): InstanceError {
  const words = typeof text === "string" ? text : decoder.decode(text);
  const parsed = parsedOrNull(words);
  const found = fieldsOf(parsed, words);
  const searched = found.words.slice(0, MAX_SEARCHED_CHARS);
  const own = status !== null && status >= 400 ? status : null;
  const named = isAboutRequest(found) && !isClients(own)
    ? 400
    : own ?? found.named ?? statusOfName(found.code) ?? statusOfName(found.type);
  const tooLong = saysTooLong(found, searched) && (named === null || named < 500);
  const meant = named ?? (tooLong ? 400 : null);
  const shuttingDown = saysShuttingDown(searched);
  const clients = isClients(meant);
  return {
    message: tamed(found.words),
    status: meant,
    type: found.type,
    code: found.code,
    param: found.param,
    retryAfterS: retryAfterIn(parsed, searched),
    tooLong,
    contextLength: tooLong ? contextLengthIn(parsed, searched) : null,
    busy: !clients && !shuttingDown && saysBusy(found, searched, meant),
    shuttingDown,
    engineDead: !clients && saysEngineDead(searched),
    clients,
    refusesKey: meant === 401 || meant === 403,
    lacks: meant === 404 ? lackIn(found, searched, isObject(parsed)) : null,
  };
}

/**
 * The error that `text`, the JSON body or event of an answer with a good status, is in place of an answer;
 * null where it is none.
 */
export function errorInstead(text: Uint8Array | string): InstanceError | null {
  const words = typeof text === "string" ? text : decoder.decode(text);
  if (!MAY_BE_ERROR.test(words)) return null;
  const parsed = parsedOrNull(words);
  return isObject(parsed) && isErrorInstead(parsed) ? readError(words) : null;
}

/** Whether `parsed`, the same once it is parsed, is an error in place of an answer. */
export function isErrorInstead(parsed: Json): boolean {
  return errorWithin(parsed) !== null;
}

/** Most answers are told from errors without parsing them; `"error":null` stands in each of Responses. */
const MAY_BE_ERROR = /"error"(?!\s*:\s*(?:null|""|false|\{\s*\}))/;

/** Codes that are about the request whatever status they come with. */
const REQUEST_CODES = new Set([
  "content_policy_violation",
  "content_filter",
  "context_length_exceeded",
  "invalid_prompt",
]);

function isAboutRequest({ code, type }: Fields): boolean {
  return REQUEST_CODES.has(code) || REQUEST_CODES.has(type);
}

/** An error that is the sender's of the request: nobody else would answer it either. */
function isClients(status: number | null): boolean {
  return status !== null && status >= 400 && status < 500 && status !== 408 && status !== 429;
}
