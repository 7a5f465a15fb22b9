// The last events of an answer that broke off after its finish: nobody has to be asked for them.

import { dialectOf } from "../../api/dialects.ts";
import { wantsUsage } from "../../api/stream_options.ts";
import { eventsIn } from "../../api/wire.ts";
import type { EventStore } from "../../sse/event_store.ts";
import { dataOf, DONE, inspect, USAGE } from "../../sse/scan.ts";
import type { ForwardRequest } from "../request.ts";
import { parseRequest } from "./request_json.ts";
import type { TokenIds } from "./token_ids.ts";

const encoder = new TextEncoder();

/**
 * The figures that the client wants, where the ids tell them, and the last event, as far as they are
 * missing in `store`; null where nothing is.
 */
export function tailOf(
  { api, body }: ForwardRequest,
  store: EventStore,
  ids: TokenIds | null,
): Uint8Array | null {
  const dialect = api === null ? null : dialectOf(api);
  if (dialect === null || dialect.voice === undefined || store.truncated) return null;
  let tellsUsage = wantsUsage(parseRequest(body)?.stream_options);
  for (const event of store.events()) {
    const flags = inspect(event, 0, event.length);
    if (flags & DONE || isLast(event)) return null;
    if (flags & USAGE && isFigures(event)) tellsUsage = false;
  }
  const usage = ids !== null && ids.areKnown
    ? {
      promptTokens: ids.prompt().length,
      completionTokens: ids.answer.length,
      cachedTokens: null,
    }
    : null;
  const text = dialect.voice(eventsIn(store.events())).tail({ usage, tellsUsage });
  return text === "" ? null : encoder.encode(text);
}

/** The Messages API's own last event. */
function isLast(event: Uint8Array): boolean {
  return /"type"\s*:\s*"message_stop"/.test(dataOf(event, 0, event.length));
}

/** An event that holds figures and no choice. */
function isFigures(event: Uint8Array): boolean {
  return /"choices"\s*:\s*\[\s*\]/.test(dataOf(event, 0, event.length));
}
