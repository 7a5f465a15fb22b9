// What the beginning of an instance's answer has proved: what the forward loop goes by.

import type { Json } from "../../json/json.ts";
import type { SseObserver } from "../../sse/observer.ts";
import type { Failure } from "../failure.ts";
import type { TokenIds } from "../resume/token_ids.ts";
import type { ResponseHead } from "../transport.ts";

export type Proof =
  | Beginning
  | { kind: "gone" }
  /** What the ask needs cannot be had: it is not asked. */
  | { kind: "closed" }
  /** There was nothing left to ask for: these events end the answer. */
  | { kind: "over"; events: Uint8Array };

/** The beginning of an answer that has come. */
export type Beginning =
  /** A whole answer, 4xx ones included. `parsed`: the body, where it was parsed to be believed. */
  | { kind: "whole"; head: ResponseHead; body: Uint8Array; parsed: Json | null }
  /** A stream of events; `first` are its first events, all of them where it has `ended`. */
  | {
    kind: "events";
    head: ResponseHead;
    reader: SseObserver;
    /** The token ids that `reader` takes out; null where none were asked for. */
    ids: TokenIds | null;
    first: Uint8Array;
    ended: boolean;
  }
  /** Any other body, of which `first` has been read. */
  | { kind: "bytes"; head: ResponseHead; first: readonly Uint8Array[]; ended: boolean }
  | { kind: "failed"; failure: Failure }
  /** The instance's context is too short for the request: 400 with its own words. */
  | { kind: "too_long"; head: ResponseHead; body: Uint8Array };
