// The last events of an answer that broke off after its finish: nobody has to be asked for them.

import { dialectOf } from "../../api/dialects.ts";
import { tellsUsageWithEach, wantsUsage } from "../../api/stream_options.ts";
import { isObject, objectsIn } from "../../json/json.ts";
import { eventsIn } from "../../api/wire.ts";
import type { EventStore } from "../../sse/event_store.ts";
import type { Usage } from "../../sse/usage.ts";
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
  const asked = parseRequest(body);
  let tellsUsage = wantsUsage(asked?.stream_options) ||
    tellsUsageWithEach(eventsIn(store.events()));
  for (const event of store.events()) {
    const flags = inspect(event, 0, event.length);
    if (flags & DONE || isLast(event)) return null;
    if (flags & USAGE && isFigures(event)) tellsUsage = false;
  }
  const usage = ids?.usage ?? toldUsage(asked?.prompt, store);
  const text = dialect.voice(eventsIn(store.events())).tail({ usage, tellsUsage });
  return text === "" ? null : encoder.encode(text);
}

/**
 * What the events themselves tell: the ids of the tokens, or figures with each event, which are those of its
 * choice. null where they leave anything open.
 */
function toldUsage(prompts: unknown, store: EventStore): Usage | null {
  // Of several prompts each is told with its own choices.
  if (Array.isArray(prompts)) return null;
  let [byIds, byFigures]: (number | null)[] = [null, null];
  const ids = new Map<unknown, number>();
  const figures = new Map<unknown, unknown>();
  for (const { data } of eventsIn(store.events())) {
    const choices = objectsIn(data.choices);
    for (const one of [data, ...choices]) {
      if (Array.isArray(one.prompt_token_ids)) byIds = one.prompt_token_ids.length;
    }
    for (const { index, token_ids } of choices) {
      const more = Array.isArray(token_ids) ? token_ids.length : 0;
      ids.set(index, (ids.get(index) ?? 0) + more);
      const usage = isObject(data.usage) && choices.length === 1 ? data.usage : {};
      if (typeof usage.prompt_tokens === "number") byFigures = usage.prompt_tokens;
      figures.set(index, usage.completion_tokens);
    }
  }
  const [prompt, counts] = byIds !== null && [...ids.values()].every((count) => count > 0)
    ? [byIds, [...ids.values()]]
    : [byFigures, [...figures.values()]];
  let completionTokens = 0;
  for (const count of counts) {
    if (typeof count !== "number") return null;
    completionTokens += count;
  }
  return prompt === null ? null : { promptTokens: prompt, completionTokens, cachedTokens: null };
}

/** The Messages API's own last event. */
function isLast(event: Uint8Array): boolean {
  return /"type"\s*:\s*"message_stop"/.test(dataOf(event, 0, event.length));
}

/** An event that holds figures and no choice. */
function isFigures(event: Uint8Array): boolean {
  return /"choices"\s*:\s*\[\s*\]/.test(dataOf(event, 0, event.length));
}
