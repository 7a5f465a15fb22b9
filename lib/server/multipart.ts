// Finds small text fields of a multipart/form-data body in its bytes (RFC 7578); files are skipped.

import type { Span } from "../forward/target.ts";
import { find } from "../sse/scan.ts";

const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");
/** A text field that names a model or a switch is short. */
const MAX_FIELD_BYTES = 4096;
const MAX_PARTS = 1000;

/** The boundary of a multipart content type, or null when it is none. */
export function boundaryOf(contentType: string): string | null {
  if (!/^m/i.test(contentType)) return null;
  const match = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i
    .exec(contentType);
  return match === null ? null : match[1] ?? match[2];
}

/** Value spans of the wanted fields; null when the body is not framed by the boundary to its end. */
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
    const head = latin1.decode(body.subarray(at, Math.min(headEnd, at + MAX_FIELD_BYTES)));
    const next = nextDelimiter(body, delimiter, headEnd + 2);
    if (next < 0) return null;
    const { name, isFile } = dispositionIn(head);
    const span = { start: headEnd + 4, end: next - 2 };
    if (name !== undefined && !isFile && wanted.has(name) && span.end >= span.start) {
      if (span.end - span.start > MAX_FIELD_BYTES) return null;
      found.set(name, [...found.get(name) ?? [], span]);
    }
    at = next;
  }
  return null;
}

/** What a part's head says of it. In two steps, each of which passes over the head once, whatever stands there. */
function dispositionIn(head: string): { name: string | undefined; isFile: boolean } {
  const line = /^content-disposition:(.*)/im.exec(head)?.[1] ?? "";
  return {
    name: /[;\s]name="?([^";]*)"?/i.exec(line)?.[1],
    isFile: /;\s*filename\*?=/i.test(line),
  };
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
