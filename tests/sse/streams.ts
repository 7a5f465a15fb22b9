// Streams of events as tests write them, and the observer that is fed with them in pieces.

import type { Api } from "../../lib/api/api.ts";
import { EventStore } from "../../lib/sse/event_store.ts";
import { SseObserver } from "../../lib/sse/observer.ts";

export const encoder = new TextEncoder();
export const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
export const MIB = 1024 * 1024;

export const json = (delta: object, finish: unknown = null, index = 0) =>
  JSON.stringify({ id: "x", choices: [{ index, delta, finish_reason: finish }] });
export const chunk = (delta: object, finish: unknown = null, index = 0) =>
  `data: ${json(delta, finish, index)}\n\n`;
export const role = chunk({ role: "assistant", content: "" });
export const a = chunk({ content: "a" });
export const stop = chunk({}, "stop");
export const done = "data: [DONE]\n\n";

export interface Seen {
  /** What the client has, the last of it from the end of the body. */
  passed: string;
  observer: SseObserver;
}

export interface Options {
  api?: Api | null;
  choices?: number;
}

/** Feeds a stream in pieces of `size` bytes, up to the proper end of its body. */
export function feed(
  stream: string,
  size: number,
  { api = "chat", choices = 1 }: Options = {},
): Seen {
  const seen = broken(stream, size, { api, choices });
  return { ...seen, passed: seen.passed + decoder.decode(seen.observer.end()) };
}

/** The same, but the connection breaks after the last byte. */
export function broken(
  stream: string,
  size: number,
  { api = "chat", choices = 1 }: Options = {},
): Seen {
  const store = api === null ? null : new EventStore(1 << 20);
  const observer = new SseObserver(api !== null, choices, store);
  const bytes = encoder.encode(stream);
  const passed: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const buffer = bytes.slice(at, at + size);
    passed.push(observer.take(buffer).slice());
    buffer.fill(0);
  }
  return { passed: passed.map((piece) => decoder.decode(piece)).join(""), observer };
}

export const sizes = [1, 2, 3, 7, 64, 1 << 20];
