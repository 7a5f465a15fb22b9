// Captures for the tests of this folder: a finished request without a gateway.

import type { Capture } from "../../lib/record/capture.ts";
import { EventStore } from "../../lib/sse/event_store.ts";

const encoder = new TextEncoder();

export function bytesOf(value: unknown): Uint8Array {
  return encoder.encode(typeof value === "string" ? value : JSON.stringify(value));
}

/** Events as an instance streams them; a value that is no string becomes `data: <json>`. */
export function storeOf(events: readonly unknown[], maxBytes = 1 << 20): EventStore {
  const store = new EventStore(maxBytes);
  for (const event of events) {
    const text = typeof event === "string" ? event : `data: ${JSON.stringify(event)}`;
    const bytes = encoder.encode(`${text}\n\n`);
    store.push(bytes, 0, bytes.length);
  }
  return store;
}

/** An event with a name, of the Responses and Messages APIs. */
export function named(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}`;
}

export function chunk(delta: object, finish: string | null = null, index = 0): object {
  return {
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1750000000,
    model: "m",
    choices: [{ index, delta, logprobs: null, finish_reason: finish }],
  };
}

export function completion(message: object, finish = "stop"): object {
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1750000000,
    model: "m",
    choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason: finish }],
    usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
  };
}

/** A complete chat that was not streamed; `request` is the body, `response` an object or a store. */
export function capture(
  request: object,
  response: object | EventStore | null,
  more: Partial<Capture> = {},
): Capture {
  return {
    id: "req-1",
    api: "chat",
    outcome: "complete",
    model: "m",
    instance: "gpu-1",
    requestBody: bytesOf(request),
    stream: response instanceof EventStore,
    status: 200,
    response: response === null || response instanceof EventStore ? response : bytesOf(response),
    startedAtMs: Date.UTC(2026, 0, 1, 12),
    firstByteMs: 10,
    durationMs: 20,
    client: "127.0.0.1",
    attempts: [{ instance: "gpu-1", status: 200 }],
    ...more,
  };
}
