// Splits the bytes of a stream that is over into its events, as tolerantly as the clients do
// (WHATWG HTML, section 9.2). While a stream still runs, scan.ts looks at it instead.

export interface SseEvent {
  /** The `event:` field; missing where the stream names none (chat and completions). */
  event?: string;
  /** The `data:` lines, joined by line feeds. */
  data: string;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * The events in `bytes` that carry data. Comments, other fields and a byte order mark are passed over;
 * lines end in LF, CRLF or CR. Unlike a browser it also gives the last event when its blank line is
 * missing: a stream that broke off there had said it all the same.
 */
export function* parseEvents(bytes: Uint8Array): Generator<SseEvent> {
  const text = decoder.decode(bytes);
  // Nearly every event of vLLM is one data line and a blank one.
  if (isPlain(text)) {
    yield { data: text.slice(6, -2) };
    return;
  }
  const ends = /\r\n|\n|\r/g;
  let event: string | undefined;
  let data: string | undefined;
  let fresh = true;
  let at = 0;
  while (at < text.length) {
    ends.lastIndex = at;
    const end = ends.exec(text);
    let line = text.slice(at, end === null ? text.length : end.index);
    at = end === null ? text.length : ends.lastIndex;
    // Two streams that somebody glued together have one in the middle, too.
    if (fresh && line.startsWith("\uFEFF")) line = line.slice(1);
    fresh = line === "";
    if (fresh) {
      if (data !== undefined) yield made(event, data);
      event = data = undefined;
      continue;
    }
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const from = line[colon + 1] === " " ? colon + 2 : colon + 1;
    const value = colon < 0 ? "" : line.slice(from);
    if (field === "data") data = data === undefined ? value : `${data}\n${value}`;
    else if (field === "event") event = value;
  }
  if (data !== undefined) yield made(event, data);
}

function made(event: string | undefined, data: string): SseEvent {
  return event === undefined || event === "" ? { data } : { event, data };
}

function isPlain(text: string): boolean {
  return text.startsWith("data: ") && text.endsWith("\n\n") &&
    text.indexOf("\n") === text.length - 2 && !text.includes("\r");
}
