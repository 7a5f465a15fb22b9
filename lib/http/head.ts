// Heads of HTTP/1.1 messages, from bytes to start line and fields (RFC 9112, sections 2 to 5). Strict:
// bare LF, folded lines, spaces before a colon and control bytes are errors, never guesses.

import { latin1Text } from "./latin1.ts";
import { emptyList } from "./memory.ts";
import { HttpSyntaxError } from "./syntax_error.ts";
import type { HeaderList } from "./message.ts";

/** Longest head, start line included. */
export const MAX_HEAD_BYTES = 64 * 1024;
const MAX_FIELDS = 128;

/** What a field is a copy of, for the reason that emptyList gives. */
const FIELD: readonly string[] = Array.of("", "");

const CR = 13;
const LF = 10;
/** HTTP/1. */
const STATUS_START = new Uint8Array([72, 84, 84, 80, 47, 49, 46]);

/**
 * Position after the empty line that ends the head in bytes[start, end), or -1 when it has not come.
 * `from` is where an earlier search left off.
 */
export function headEnd(bytes: Uint8Array, start: number, end: number, from = start): number {
  for (let at = Math.max(start, from - 3);;) {
    at = bytes.indexOf(CR, at);
    if (at < 0 || at + 3 >= end) return -1;
    if (bytes[at + 1] === LF && bytes[at + 2] === CR && bytes[at + 3] === LF) return at + 4;
    at++;
  }
}

/**
 * Throws HttpSyntaxError for the beginning bytes[start, end) of a head that nothing can complete: a peer
 * that ends its lines with LF only would else be waited for until a timeout. `from` is where an
 * earlier look left off.
 */
export function checkUnfinished(bytes: Uint8Array, start: number, end: number, from: number): void {
  checkHeadSize(bytes, start, end);
  for (let at = from;; at++) {
    at = bytes.indexOf(LF, at);
    if (at < 0 || at >= end) return;
    if (at === start || bytes[at - 1] !== CR) {
      throw new HttpSyntaxError("a line that ends without CR");
    }
  }
}

/** Throws HttpSyntaxError when bytes[start, end) is a head, or the beginning of one, beyond the limit. */
export function checkHeadSize(bytes: Uint8Array, start: number, end: number): void {
  if (end - start <= MAX_HEAD_BYTES) return;
  const lineEnd = bytes.indexOf(CR, start);
  if (lineEnd < 0 || lineEnd - start > MAX_HEAD_BYTES) {
    throw new HttpSyntaxError(`a first line of more than ${MAX_HEAD_BYTES} bytes`, 414);
  }
  throw new HttpSyntaxError(`a head of more than ${MAX_HEAD_BYTES} bytes`, 431);
}

/** Throws HttpSyntaxError when bytes[start, end) is not how a response of HTTP/1 begins. */
export function checkStatusStart(bytes: Uint8Array, start: number, end: number): void {
  const count = Math.min(STATUS_START.length, end - start);
  for (let i = 0; i < count; i++) {
    if (bytes[start + i] !== STATUS_START[i]) throw new HttpSyntaxError("malformed status line");
  }
}

export class RequestHead {
  constructor(
    readonly method: string,
    /** Origin form: begins with "/". */
    readonly target: string,
    /** 0 or 1: the minor version. */
    readonly minor: number,
    readonly headers: HeaderList,
  ) {}
}

export class StatusHead {
  constructor(readonly status: number, readonly minor: number, readonly headers: HeaderList) {}
}

/** How long a body is and where it ends. */
export type Framing =
  | { kind: "none" }
  | { kind: "length"; length: number }
  | { kind: "chunked" }
  | { kind: "close" };

/** Parses bytes[start, end), a whole request head with its empty line. Throws HttpSyntaxError. */
export function parseRequestHead(bytes: Uint8Array, start: number, end: number): RequestHead {
  const text = latin1Text(bytes, start, end - 2);
  const lineEnd = text.indexOf("\r\n");
  const line = text.slice(0, lineEnd);
  const first = line.indexOf(" ");
  const last = line.lastIndexOf(" ");
  if (first <= 0 || first === last) throw new HttpSyntaxError("malformed request line");
  const method = line.slice(0, first);
  const written = line.slice(first + 1, last);
  const version = line.slice(last + 1);
  if (!isToken(method)) throw new HttpSyntaxError("malformed method");
  if (version !== "HTTP/1.1" && version !== "HTTP/1.0") {
    if (/^HTTP\/\d(\.\d)?$/.test(version)) {
      throw new HttpSyntaxError("only HTTP/1.1 and HTTP/1.0 are spoken here", 505);
    }
    throw new HttpSyntaxError("malformed HTTP version");
  }
  if (method === "CONNECT" || method === "TRACE") {
    throw new HttpSyntaxError(`method ${method} is not supported`, 501);
  }
  if (!isVisible(written) || written.includes("#")) {
    throw new HttpSyntaxError("a character in the request target that does not belong there");
  }
  const whole = written.charCodeAt(0) === 47 ? null : absoluteForm(written);
  const target = whole === null ? written : whole.target;
  const headers = parseFields(text, lineEnd + 2);
  let hosts = 0;
  for (const pair of headers) if (pair[0] === "host") hosts++;
  if (hosts > 1 || (hosts === 0 && version === "HTTP/1.1")) {
    throw new HttpSyntaxError(hosts === 0 ? "the Host field is missing" : "several Host fields");
  }
  return new RequestHead(
    method,
    target,
    version === "HTTP/1.1" ? 1 : 0,
    whole === null ? headers : withHost(headers, whole.host),
  );
}

/** "http://host:port/path", which clients of a proxy send (RFC 9112, section 3.2.2). */
function absoluteForm(text: string): { host: string; target: string } {
  const parts = /^https?:\/\/([^/?@]+)(\/[^?]*)?(\?.*)?$/i.exec(text);
  if (parts === null) {
    throw new HttpSyntaxError("the request target must be a path that begins with /, or a URL");
  }
  return { host: parts[1], target: (parts[2] ?? "/") + (parts[3] ?? "") };
}

/** The URL says which host is meant, whatever the Host field has. */
function withHost(headers: HeaderList, host: string): HeaderList {
  return [["host", host], ...headers.filter(([name]) => name !== "host")];
}

/** Parses bytes[start, end), a whole response head with its empty line. Throws HttpSyntaxError. */
export function parseStatusHead(bytes: Uint8Array, start: number, end: number): StatusHead {
  const text = latin1Text(bytes, start, end - 2);
  const lineEnd = text.indexOf("\r\n");
  // "HTTP/1.1 200 OK": the reason phrase, and even the space before it, may be missing.
  const minor = text.charCodeAt(7) - 48;
  const status = (text.charCodeAt(9) - 48) * 100 + (text.charCodeAt(10) - 48) * 10 +
    (text.charCodeAt(11) - 48);
  const digits = isDigit(text, 9) && isDigit(text, 10) && isDigit(text, 11);
  if (
    !text.startsWith("HTTP/1.") || (minor !== 0 && minor !== 1) || text[8] !== " " || !digits ||
    (lineEnd !== 12 && text[12] !== " ") || lineEnd < 12 || status < 100 || status > 599
  ) throw new HttpSyntaxError("malformed status line");
  for (let at = 13; at < lineEnd; at++) {
    if (isControl(text.charCodeAt(at))) throw new HttpSyntaxError("malformed status line");
  }
  return new StatusHead(status, minor, parseFields(text, lineEnd + 2));
}

/** Fields from `at` on; `text` ends with the CRLF of the last one. */
function parseFields(text: string, start: number): HeaderList {
  const headers = emptyList<readonly [string, string]>();
  let at = start;
  while (at < text.length) {
    const lineEnd = text.indexOf("\r\n", at);
    const colon = text.indexOf(":", at);
    if (lineEnd < 0 || colon <= at || colon > lineEnd) {
      throw new HttpSyntaxError("a header field without a name or a colon");
    }
    const name = lowerToken(text, at, colon);
    let from = colon + 1;
    let to = lineEnd;
    while (from < to && isBlank(text.charCodeAt(from))) from++;
    while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
    for (let i = from; i < to; i++) {
      const code = text.charCodeAt(i);
      if (code < 32 ? code !== 9 : code === 127) {
        throw new HttpSyntaxError(`a control character in header field ${name}`);
      }
    }
    const field = FIELD.slice() as [string, string];
    field[0] = name;
    field[1] = text.slice(from, to);
    headers.push(field);
    if (headers.length > MAX_FIELDS) {
      throw new HttpSyntaxError(`more than ${MAX_FIELDS} header fields`, 431);
    }
    at = lineEnd + 2;
  }
  return headers;
}

/** The framing of a request's body (RFC 9112, section 6.3). Throws HttpSyntaxError. */
export function requestFraming(head: RequestHead): Framing {
  const { length, chunked } = bodyFields(head.headers, head.minor);
  if (chunked) return { kind: "chunked" };
  return length === null || length === 0 ? { kind: "none" } : { kind: "length", length };
}

/** The framing of the body of a final response to `method`. Throws HttpSyntaxError. */
export function responseFraming(head: StatusHead, method: string): Framing {
  const { length, chunked } = bodyFields(head.headers, head.minor);
  if (method === "HEAD" || head.status === 204 || head.status === 304) return { kind: "none" };
  if (chunked) return { kind: "chunked" };
  if (length !== null) return length === 0 ? { kind: "none" } : { kind: "length", length };
  return { kind: "close" };
}

function bodyFields(
  headers: HeaderList,
  minor: number,
): { length: number | null; chunked: boolean } {
  let length: number | null = null;
  let chunked = false;
  for (const [name, value] of headers) {
    if (name === "content-length") {
      if (length !== null) throw new HttpSyntaxError("several Content-Length fields");
      if (!/^\d{1,15}$/.test(value)) throw new HttpSyntaxError("malformed Content-Length");
      length = Number(value);
    } else if (name === "transfer-encoding") {
      if (chunked) throw new HttpSyntaxError("several Transfer-Encoding fields");
      if (value.toLowerCase() !== "chunked") {
        throw new HttpSyntaxError("the only transfer coding understood is chunked", 501);
      }
      chunked = true;
    }
  }
  if (chunked && length !== null) {
    throw new HttpSyntaxError("both Content-Length and Transfer-Encoding");
  }
  if (chunked && minor === 0) {
    throw new HttpSyntaxError("Transfer-Encoding in an HTTP/1.0 message");
  }
  return { length, chunked };
}

/** Whether the connection may carry another message after this one. */
export function keepsAlive(headers: HeaderList, minor: number): boolean {
  let keeps = minor === 1;
  for (const [name, value] of headers) {
    if (name !== "connection") continue;
    const options = value.toLowerCase().split(",").map((option) => option.trim());
    if (options.includes("close")) return false;
    if (options.includes("keep-alive")) keeps = true;
  }
  return keeps;
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

function isControl(code: number): boolean {
  return (code < 32 && code !== 9) || code === 127;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}

function isVisible(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code <= 32 || code >= 127) return false;
  }
  return true;
}

/** tchar of RFC 9110, section 5.6.2, by character code. */
const TOKEN = new Uint8Array(256);
for (
  const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
) {
  TOKEN[char.charCodeAt(0)] = 1;
}

function isToken(text: string): boolean {
  if (text === "") return false;
  for (let at = 0; at < text.length; at++) if (TOKEN[text.charCodeAt(at)] !== 1) return false;
  return true;
}

function lowerToken(text: string, start: number, end: number): string {
  let upper = false;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (TOKEN[code] !== 1) throw new HttpSyntaxError("malformed header field name");
    if (code >= 65 && code <= 90) upper = true;
  }
  const name = text.slice(start, end);
  return upper ? name.toLowerCase() : name;
}
