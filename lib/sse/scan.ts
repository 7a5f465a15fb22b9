// The cheapest look at a streamed answer that is right for any split of its bytes: where events end,
// whether one is an error, a finish, or the first that means something. What the events say in full is
// left to assemble/, after the stream.

/** Bits that describe one event. */
export const PLAIN = 0;
/** `data: [DONE]`. */
export const DONE = 1;
/** Has a finish reason that is a real end (or an API's own end event). */
export const FINISH = 2;
/** Has finish_reason "abort" or "error": the instance gave up. */
export const ABORT = 4;
/** Is an error event. */
export const ERROR = 8;
/** A comment or an empty event: says nothing. */
export const EMPTY = 16;
/** Only opens the answer (role chunk, `response.created`, `message_start`). */
export const OPENING = 32;
/** Carries usage figures. */
export const USAGE = 64;
/** Looks like an event of JSON but is none. */
export const MALFORMED = 128;
/** Told by more than its keys: parsed, or by its name. Says nothing about the event itself. */
export const CLOSELY = 256;

const LF = 10;
const CR = 13;

/**
 * Position after the blank line that ends the event starting at or before `from`, or -1 when it has
 * not come yet. LF and CRLF endings; a CR alone, which WHATWG HTML
 * (section 9.2.5) allows and no server sends, ends nothing.
 */
export function eventEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const lf = bytes.indexOf(LF, at);
    if (lf < 0 || lf >= end) return -1;
    if (lf + 1 < end && bytes[lf + 1] === LF) return lf + 2;
    if (lf + 2 < end && bytes[lf + 1] === CR && bytes[lf + 2] === LF) return lf + 3;
    at = lf + 1;
  }
  return -1;
}

const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder();

const FINISH_KEY = new TextEncoder().encode('"finish_reason"');
const ERROR_KEY = new TextEncoder().encode('"error"');
const USAGE_KEY = new TextEncoder().encode('"usage"');
const ROLE_KEY = new TextEncoder().encode('"role"');
const EVENT_FIELD = new TextEncoder().encode("event:");

/** First position of `needle` in bytes[from, end), or -1. */
export function find(bytes: Uint8Array, needle: Uint8Array, from: number, end: number): number {
  const first = needle[1];
  const last = end - needle.length + 1;
  // The first byte is a quote, which is common in JSON; its second is compared before the rest.
  for (let at = from; at < last; at++) {
    if (bytes[at + 1] !== first || bytes[at] !== needle[0]) continue;
    let i = 2;
    while (i < needle.length && bytes[at + i] === needle[i]) i++;
    if (i === needle.length) return at;
  }
  return -1;
}

/** Position of the value after the key at `keyAt`, white space and colon passed. */
function valueAfter(bytes: Uint8Array, keyEnd: number, end: number): number {
  let at = keyEnd;
  while (at < end && (bytes[at] === 32 || bytes[at] === 58 || bytes[at] === 9)) at++;
  return at;
}

const QUOTE = 34;
const LETTER_N = 110;

/**
 * Describes the event bytes[start, end). In a JSON string a quote is always escaped, so `"key"` with
 * bare quotes can only be a key (or a whole string value): text that quotes JSON does not deceive it.
 */
export function inspect(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] === 58 /* : */) return EMPTY | CLOSELY;
  if (startsWith(bytes, EVENT_FIELD, start, end)) return inspectNamed(bytes, start, end);
  const flags = scanKeys(bytes, start, end, end);
  if (flags & CLOSELY || end - start < 40 || !looksWhole(bytes, start, end)) {
    return flags | CLOSELY | inspectClosely(bytes, start, end);
  }
  return flags;
}

/**
 * The same for an event that shares its first `prefix` and last `suffix` bytes with one that was PLAIN:
 * only keys that the bytes between can have changed are looked for.
 */
export function inspectChange(
  bytes: Uint8Array,
  start: number,
  end: number,
  prefix: number,
  suffix: number,
): number {
  if (prefix < 7 || end - start < 40 || !looksWhole(bytes, start, end)) {
    return inspect(bytes, start, end);
  }
  // A key that ends before the change may have its value in it.
  let from = start + prefix;
  while (bytes[from - 1] === 32 || bytes[from - 1] === 58 || bytes[from - 1] === 9) from--;
  from = Math.max(start, from - FINISH_KEY.length);
  const flags = scanKeys(bytes, from, end - suffix, end);
  return flags === PLAIN ? PLAIN : inspect(bytes, start, end);
}

/** Flags of the keys that begin in bytes[from, until); CLOSELY for those that must be looked into. */
function scanKeys(bytes: Uint8Array, from: number, until: number, end: number): number {
  let flags = PLAIN;
  const last = Math.min(until, end - 7);
  // One pass over the keys that can matter; everything else is content.
  for (let at = from; at < last; at++) {
    if (bytes[at] !== QUOTE) continue;
    const next = bytes[at + 1];
    if (next === 102 /* f */ && matches(bytes, FINISH_KEY, at, end)) {
      const value = valueAfter(bytes, at + FINISH_KEY.length, end);
      if (bytes[value] !== LETTER_N) flags |= CLOSELY;
      at = value;
    } else if (next === 101 /* e */ && matches(bytes, ERROR_KEY, at, end)) {
      flags |= CLOSELY;
      at += ERROR_KEY.length;
    } else if (next === 117 /* u */ && matches(bytes, USAGE_KEY, at, end)) {
      const value = valueAfter(bytes, at + USAGE_KEY.length, end);
      if (bytes[value] === 123 /* { */) flags |= USAGE;
      at = value;
    } else if (next === 114 /* r */ && matches(bytes, ROLE_KEY, at, end)) {
      flags |= CLOSELY;
      at += ROLE_KEY.length;
    }
  }
  return flags;
}

/** `data: {` at the start and `}` at the end: the usual event, whose JSON is taken to be whole. */
function looksWhole(bytes: Uint8Array, start: number, end: number): boolean {
  const open = bytes[start + 5] === 32 ? start + 6 : start + 5;
  if (bytes[start] !== 100 /* d */ || bytes[open] !== 123 /* { */) return false;
  let last = end - 1;
  while (last > open && bytes[last] <= 32) last--;
  return bytes[last] === 125 /* } */;
}

function matches(bytes: Uint8Array, needle: Uint8Array, at: number, end: number): boolean {
  if (at + needle.length > end) return false;
  for (let i = 2; i < needle.length; i++) if (bytes[at + i] !== needle[i]) return false;
  return true;
}

function startsWith(bytes: Uint8Array, needle: Uint8Array, at: number, end: number): boolean {
  if (at + needle.length > end) return false;
  for (let i = 0; i < needle.length; i++) if (bytes[at + i] !== needle[i]) return false;
  return true;
}

interface LooseChunk {
  error?: unknown;
  object?: unknown;
  choices?: {
    finish_reason?: unknown;
    text?: unknown;
    delta?: Record<string, unknown> | null;
  }[];
}

/** The rare event that may end, fail or open the answer: parsed in full. */
function inspectClosely(bytes: Uint8Array, start: number, end: number): number {
  const data = dataOf(bytes, start, end);
  if (data === "") return EMPTY;
  if (data === "[DONE]") return DONE;
  let chunk: LooseChunk;
  try {
    chunk = JSON.parse(data);
  } catch {
    // Not JSON: the instance sent a broken chunk, which the caller must know.
    return MALFORMED;
  }
  if (chunk === null || typeof chunk !== "object") return MALFORMED;
  if (chunk.error !== undefined && chunk.error !== null) return ERROR;
  if (chunk.object === "error") return ERROR;
  if (!Array.isArray(chunk.choices)) return PLAIN;
  let flags = PLAIN;
  let opening = chunk.choices.length > 0;
  for (const choice of chunk.choices) {
    const reason = choice?.finish_reason;
    if (reason === "abort" || reason === "error") flags |= ABORT;
    else if (typeof reason === "string") flags |= FINISH;
    if (typeof reason === "string" || !isOpeningDelta(choice?.delta) || choice?.text) {
      opening = false;
    }
  }
  return opening ? flags | OPENING : flags;
}

function isOpeningDelta(delta: Record<string, unknown> | null | undefined): boolean {
  if (delta === null || delta === undefined) return false;
  for (const [key, value] of Object.entries(delta)) {
    if (key === "role" || value === null || value === "") continue;
    if (Array.isArray(value) && value.length === 0) continue;
    return false;
  }
  return "role" in delta;
}

const OPENING_EVENTS = new Set([
  "response.created",
  "response.in_progress",
  "response.queued",
  "message_start",
  "ping",
]);
const FINISH_EVENTS = new Set(["response.completed", "response.incomplete", "message_stop"]);
const ERROR_EVENTS = new Set(["error", "response.failed", "response.error"]);

/** An event with a name of its own: the Responses and Messages APIs. */
function inspectNamed(bytes: Uint8Array, start: number, end: number): number {
  const lineEnd = bytes.indexOf(LF, start);
  const name = latin1.decode(bytes.subarray(start + EVENT_FIELD.length, lineEnd)).trim();
  let flags = CLOSELY;
  if (OPENING_EVENTS.has(name)) flags |= OPENING;
  else if (FINISH_EVENTS.has(name)) flags |= FINISH;
  else if (ERROR_EVENTS.has(name)) flags |= ERROR;
  else if (name === "response.cancelled") flags |= ABORT;
  if (find(bytes, USAGE_KEY, start, end) >= 0) flags |= USAGE;
  return flags;
}

/** The data lines of one event, joined. */
export function dataOf(bytes: Uint8Array, start: number, end: number): string {
  const text = utf8.decode(bytes.subarray(start, end));
  if (text.startsWith("data: ") && text.indexOf("\n", 0) >= text.length - 2) {
    return text.slice(6).trimEnd();
  }
  const lines: string[] = [];
  for (const line of text.split(/\r\n|\n|\r/)) {
    if (line.startsWith("data:")) lines.push(line.slice(line[5] === " " ? 6 : 5));
  }
  return lines.join("\n");
}

/** Finish reasons in a whole JSON answer that mean that the instance gave up. */
export function bodyGaveUp(body: Uint8Array): boolean {
  for (let at = 0;;) {
    at = find(body, FINISH_KEY, at, body.length);
    if (at < 0) return false;
    const value = valueAfter(body, at + FINISH_KEY.length, body.length);
    const reason = latin1.decode(body.subarray(value, value + 8));
    if (reason.startsWith('"abort"') || reason.startsWith('"error"')) return true;
    at = value;
  }
}
