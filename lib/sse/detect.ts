// Whether an answer is a stream of events: by its media type, or by its first bytes where the server
// names none or another.

/** The media type in a Content-Type without its parameters, in lower case; it has no case of its own. */
export function mediaType(contentType: string | null | undefined): string {
  if (contentType === "application/json") return contentType;
  return (contentType ?? "").split(/[;,]/, 1)[0].trim().toLowerCase();
}

/** Whether a Content-Type names a stream of events. */
export function isEventStream(contentType: string | null | undefined): boolean {
  return mediaType(contentType) === "text/event-stream";
}

const STARTS = ["data:", "event:", "id:", "retry:", ":"];
/** What the longest of them and a byte order mark take. */
const ENOUGH = 64;

const decoder = new TextDecoder();

/**
 * Whether a body that begins with `bytes` is a stream of events: its first line is a comment or one of
 * the four fields. null when that needs more bytes.
 */
export function looksLikeEvents(bytes: Uint8Array): boolean | null {
  if (bytes.length < 3 && bytes[0] === 0xef) return null;
  const text = decoder.decode(bytes.subarray(0, ENOUGH)).replace(/^[\r\n]+/, "");
  if (STARTS.some((start) => text.startsWith(start))) return true;
  if (bytes.length >= ENOUGH) return false;
  return STARTS.some((start) => start.startsWith(text)) ? null : false;
}
