// Finds small text fields of a multipart/form-data body in its bytes (RFC 7578); files are skipped. What
// servers read in different ways is refused: a client must not name one model here and another one there.

import type { Span } from "../forward/target.ts";
import { find } from "../sse/scan.ts";

const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");
/** A text field that names a model or a switch is short. */
const MAX_FIELD_BYTES = 4096;
const MAX_HEAD_BYTES = 4096;
const MAX_PARTS = 1000;

/** Whether a content type is that of a form. */
export function isForm(contentType: string): boolean {
  return /^multipart\/form-data[ \t]*(;|$)/i.test(contentType);
}

/** The boundary of a form's content type; null where it says none that everybody reads alike. */
export function boundaryOf(contentType: string): string | null {
  if (!isForm(contentType)) return null;
  const parameters = parametersIn(contentType);
  if (parameters === null || [...parameters.keys()].some((name) => name.includes("*"))) return null;
  const charset = parameters.get("charset");
  if (charset !== undefined && !/^(utf-?8|us-ascii)$/i.test(charset)) return null;
  const boundary = parameters.get("boundary") ?? "";
  return /^[^\\]{1,70}$/.test(boundary) ? boundary : null;
}

/**
 * Value spans of the wanted fields; null when the body is not framed by the boundary to its end, or a part's
 * head is none that everybody reads alike.
 */
export function formFields(
  body: Uint8Array,
  boundary: string,
  wanted: ReadonlySet<string>,
): Map<string, Span[]> | null {
  const delimiter = encoder.encode(`--${boundary}`);
  const found = new Map<string, Span[]>();
  let at = find(body, delimiter, 0, body.length);
  for (let parts = 0; parts < MAX_PARTS; parts++) {
    if (at < 0) return null;
    at += delimiter.length;
    if (body[at] === 45 && body[at + 1] === 45) return found;
    if (body[at] !== 13 || body[at + 1] !== 10) return null;
    const headEnd = find(body, encoder.encode("\r\n\r\n"), at, body.length);
    if (headEnd < 0) return null;
    if (headEnd - at > MAX_HEAD_BYTES) return null;
    const disposition = dispositionIn(latin1.decode(body.subarray(at, headEnd)));
    if (disposition === null) return null;
    const next = nextDelimiter(body, delimiter, headEnd + 2);
    const span = { start: headEnd + 4, end: next - 2 };
    // To some, a delimiter right behind the head is the begin of what is in the part.
    if (next < 0 || span.end < span.start) return null;
    const { name, isFile } = disposition;
    if (name !== undefined && !isFile && wanted.has(name)) {
      if (span.end - span.start > MAX_FIELD_BYTES) return null;
      found.set(name, [...found.get(name) ?? [], span]);
    }
    at = next;
  }
  return null;
}

/** What a part's head says of it; null where it says more than one thing, or nothing that can be read. */
function dispositionIn(head: string): { name: string | undefined; isFile: boolean } | null {
  const lines = head.split("\r\n").filter((line) => /^content-disposition:/i.test(line));
  if (lines.length > 1) return null;
  const parameters = parametersIn(lines[0] ?? "");
  if (parameters === null) return null;
  const isFile = parameters.has("filename");
  for (const name of parameters.keys()) {
    // Forms have no such names (RFC 7578, section 4.2), and what is made of one differs.
    if (name.includes("*") && !(isFile && name.startsWith("filename*"))) return null;
  }
  return { name: parameters.get("name"), isFile };
}

/** A semicolon with the parameter behind it, if there is one; escapes in it stay what they are. */
const PARAMETER =
  /[ \t]*;[ \t]*(?:([^\s"=;]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^";]*)))?[ \t]*/gy;

/** The parameters of a header field; null where one stands there twice, or something that is none. */
function parametersIn(field: string): Map<string, string> | null {
  const found = new Map<string, string>();
  const semicolon = field.indexOf(";");
  if (semicolon < 0) return found;
  let end = semicolon;
  for (const [whole, name, quoted, plain = ""] of field.slice(semicolon).matchAll(PARAMETER)) {
    end += whole.length;
    if (name === undefined) continue;
    if (found.has(name.toLowerCase())) return null;
    found.set(name.toLowerCase(), quoted ?? plain.trim());
  }
  return end === field.length && !/[\r\n]/.test(field) ? found : null;
}

/** The delimiter at the start of a line, from `from` on. */
function nextDelimiter(body: Uint8Array, delimiter: Uint8Array, from: number): number {
  for (let at = from;;) {
    at = find(body, delimiter, at, body.length);
    if (at < 0) return -1;
    if (body[at - 1] === 10 && body[at - 2] === 13) return at;
    at += delimiter.length;
  }
}
