// From an error text to its fields, whatever form the server gave it: JSON of any API, FastAPI's detail,
// an error page, plain words. What the words mean is left to words.ts.

import { isObject, type Json } from "../../json/json.ts";
import { errorFields } from "../../sse/error_fields.ts";

/** Characters of a message that are kept. */
export const MAX_MESSAGE = 300;
/** Above it a text is no JSON worth parsing; its beginning is the message. */
const MAX_PARSED_CHARS = 4 * 1024 * 1024;

export interface Fields {
  /** All that it says, in its own words. */
  words: string;
  /** HTTP status that the text names. */
  named: number | null;
  type: string;
  code: string;
  param: string | null;
}

/** The error in `data`, or in the failed response that it carries (Responses API); null where there is none. */
export function errorWithin(data: Json): Json | string | null {
  const { response } = data;
  return errorFields(data) ?? (isObject(response) ? errorFields(response) : null);
}

export function fieldsOf(parsed: unknown, text: string): Fields {
  if (!isObject(parsed)) {
    const words = typeof parsed === "string" ? parsed : titleOf(text) ?? text.trim();
    return { words, named: null, type: "", code: "", param: null };
  }
  const found = errorWithin(parsed) ?? parsed;
  const inner = isObject(found) ? found : parsed;
  const words = typeof found === "string" ? found : wordsOf(inner) || wordsOf(parsed);
  const code = inner.code ?? parsed.code;
  return {
    words: words || text.trim(),
    named: httpStatus(code) ?? httpStatus(inner.status) ?? httpStatus(parsed.status),
    type: typeIn(inner) || (inner === parsed ? "" : typeIn(parsed)),
    code: typeof code === "string" && httpStatus(code) === null ? nameFrom(code) : "",
    param: paramOf(inner),
  };
}

/** `message`, or FastAPI's `detail`: a text, or a list of what was wrong with which field. */
function wordsOf(error: Json): string {
  for (const name of ["message", "detail", "error", "msg"]) {
    const value = error[name];
    if (typeof value === "string" && value !== "") return value;
    if (Array.isArray(value)) return value.slice(0, 10).map(complaint).filter(Boolean).join("; ");
    if (isObject(value) && typeof value.message === "string") return value.message;
  }
  return "";
}

function complaint(value: unknown): string {
  if (typeof value === "string") return value;
  if (!isObject(value) || typeof value.msg !== "string") return "";
  const place = placeOf(value);
  return place === "" ? value.msg : `${place}: ${value.msg}`;
}

/** "messages.0.role" of FastAPI's `["body","messages",0,"role"]`. */
function placeOf(complaint: Json): string {
  if (!Array.isArray(complaint.loc)) return "";
  return complaint.loc.filter((step) => step !== "body" && typeof step !== "object").join(".");
}

/** "error" is what Anthropic and Responses call every such event; it names no class. */
function typeIn({ type, error_type }: Json): string {
  const name = typeof type === "string" && type !== "error" ? type : error_type;
  return typeof name === "string" && !name.startsWith("response.") ? nameFrom(name) : "";
}

function nameFrom(text: string): string {
  return tamed(text.slice(0, 100));
}

function paramOf(error: Json): string | null {
  if (typeof error.param === "string") return tamed(error.param);
  const [first] = Array.isArray(error.detail) ? error.detail : [];
  return isObject(first) ? tamed(placeOf(first)) || null : null;
}

function httpStatus(code: unknown): number | null {
  const number = typeof code === "number" ? code : typeof code === "string" ? Number(code) : NaN;
  return Number.isInteger(number) && number >= 400 && number <= 599 ? number : null;
}

/** The titles of error pages: "502 Bad Gateway". */
function titleOf(text: string): string | null {
  if (!/^\s*</.test(text)) return null;
  return /<title>([^<]{1,200})<\/title>/i.exec(text.slice(0, 4096))?.[1].trim() || null;
}

/** `text` as JSON; null where it is none. */
export function parsedOrNull(text: string): unknown {
  if (text.length > MAX_PARSED_CHARS || !/^\ufeff?\s*[{["]/.test(text)) return null;
  try {
    return JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    // An error need not be JSON; its text is the message then.
    return null;
  }
}

/** `text` in one line fit for a log, a header or a client. */
export function tamed(text: string): string {
  const line = text.slice(0, MAX_MESSAGE * 4).replace(UNFIT, " ").trim();
  return line.length <= MAX_MESSAGE
    ? line
    : line.slice(0, MAX_MESSAGE).replace(/[\ud800-\udbff]$/, "");
}

/** Blanks and control characters, halves of surrogate pairs, marks that turn the direction of writing. */
const UNFIT = /[\p{Cc}\p{Z}\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/gu;
