// A conversation answered for the dialects that are not chat completions: their request becomes a
// chat request, and what the model says comes back in their own events or as one object.

import { nothingSaid, readChat, type Said, say } from "./chat.ts";
import type { Step } from "./choice.ts";
import type { Engine } from "./engine.ts";
import type { EventStream } from "./event_stream.ts";
import type { Exchange, Json } from "./exchange.ts";

/** How many tokens went in and out. */
export interface Counts {
  prompt: number;
  completion: number;
  cached: number;
}

/** What a dialect does with the answer as it comes; `null` where it is not streamed. */
export interface Listener {
  started(counts: Counts): void;
  token(step: Step): void;
}

/**
 * Generates one answer to a chat body and calls `ended` with all of it. Throws ApiError before
 * anything was sent, so an event stream is to be opened by `open`, which is called after that.
 */
export function answerChat(
  exchange: Exchange,
  engine: Engine,
  body: Json,
  open: () => { events: EventStream; listener: Listener } | null,
  ended: (said: Said, counts: Counts) => void,
): { cancel(): void } {
  const request = readChat(body, exchange, engine);
  const [salt] = request.sampling.salts;
  const said = nothingSaid();
  const counts: Counts = { prompt: request.ids.length, completion: 0, cached: 0 };
  const stream = open();
  let cancelled = false;
  engine.generate(exchange, {
    answers: [{
      ids: request.ids,
      plan: { ...request.plan, salt },
      limits: { ...request.sampling.limits, maxTokens: request.maxTokens },
    }],
    cacheSalt: "",
    started: (cached) => {
      counts.cached = cached;
      stream?.listener.started(counts);
    },
    step: (_, step) => {
      if (cancelled) return false;
      if (step.id !== null) counts.completion++;
      if (stream && !stream.events.token()) return false;
      if (!stream) exchange.log.tokens_sent++;
      say(said, step, request.namedTool);
      stream?.listener.token(step);
      return true;
    },
    ended: () => ended(said, counts),
    flush: () => stream?.events.flush(),
  });
  return {
    cancel: () => {
      cancelled = true;
    },
  };
}
