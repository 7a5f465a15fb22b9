// A conversation answered for the dialects that are not chat completions: their request becomes a
// chat request, and what the model says comes back in their own events or as one object.

import { chatAnswers, readChat } from "./chat_request.ts";
import type { Engine } from "./engine.ts";
import type { ApiError } from "./errors.ts";
import type { EventStream } from "./event_stream.ts";
import { type Exchange, type Json, sendError } from "./exchange.ts";
import { nothingSaid, type Said, say } from "./said.ts";
import type { Step } from "./step.ts";

/** How many tokens went in and out. */
export interface Counts {
  prompt: number;
  completion: number;
  cached: number;
}

/** What a dialect does with the answer as it comes; `null` where it is not streamed. */
export interface Listener {
  started(counts: Counts): void;
  tokens(step: Step): void;
  /** The engine is lost; ends the stream. */
  failed(error: ApiError): void;
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
  engine.admit(1);
  const said = nothingSaid();
  const counts: Counts = { prompt: request.ids.length, completion: 0, cached: 0 };
  const stream = open();
  let cancelled = false;
  engine.generate(exchange, {
    answers: chatAnswers(request).slice(0, 1),
    cacheSalt: "",
    streamInterval: null,
    started: (cached) => {
      counts.cached = cached;
      stream?.listener.started(counts);
    },
    step: (_, step) => {
      if (cancelled) return false;
      counts.completion += step.ids.length;
      if (stream && !stream.events.tokens(step.ids.length)) return false;
      if (!stream) exchange.log.tokens_sent += step.ids.length;
      say(said, step, request.namedTool);
      stream?.listener.tokens(step);
      return true;
    },
    ended: () => {
      // An engine that stops ends also what has not begun.
      said.finish ??= "abort";
      ended(said, counts);
    },
    failed: (error) => {
      if (stream) stream.listener.failed(error);
      else sendError(exchange, error);
    },
    flush: () => stream?.events.flush(),
  });
  return {
    cancel: () => {
      cancelled = true;
    },
  };
}
