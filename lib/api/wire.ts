// Events as bytes, and bytes as events: what the APIs have in common on the wire.

import { type Json, objectIn } from "../json/json.ts";
import { parseEvents } from "../sse/parse.ts";
import type { StreamEvent } from "./dialect.ts";

const encoder = new TextEncoder();

/** `[DONE]`, which ends the streams of chat and completions. */
export const DONE_EVENT: Uint8Array = encoder.encode("data: [DONE]\n\n");

/** An event without a name, as chat and completions have them. */
export function dataEvent(data: Json): Uint8Array {
  return encoder.encode(`data: ${JSON.stringify(data)}\n\n`);
}

/** Events that are named by their type, as Responses and Messages have them. */
export function namedEvents(events: readonly Json[]): Uint8Array {
  const text = events.map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`);
  return encoder.encode(text.join(""));
}

/** The events in `chunks` whose data is a JSON object; each chunk holds whole events. */
export function* eventsIn(chunks: Iterable<Uint8Array>): Generator<StreamEvent> {
  for (const chunk of chunks) {
    for (const { event, data } of parseEvents(chunk)) {
      const json = objectIn(data);
      if (json !== null) yield event === undefined ? { data: json } : { name: event, data: json };
    }
  }
}
