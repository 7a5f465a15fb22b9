// Speaks an API in the middle of a streamed answer: what a model goes on to say, as the very events that
// the first instance would have sent. One voice belongs to one answer and knows what the client has of it.

import type { Json } from "../json/json.ts";
import type { ToldUsage } from "./usage.ts";

export interface Voice {
  /** The text that was said last is closed, and nothing is open: only a tool call may follow. */
  readonly isClosed: boolean;
  /**
   * More text. Opens and closes blocks, items and parts as the API wants it. `more` goes with the event
   * where the API has a place for it.
   */
  say(channel: "content" | "reasoning", text: string, more?: More): string;
  /** A tool call opens. */
  call(name: string, more?: More): string;
  /** More of the arguments of the call that is open. */
  give(text: string, more?: More): string;
  /** The answer ends: everything up to the last event, `[DONE]` included where the API has it. */
  end(end: VoiceEnd, more?: More): string;
  /**
   * What follows where the reason for the end has been told already: the figures, where the API tells them
   * apart and they are wanted and known, and the last event.
   */
  tail(end: Pick<VoiceEnd, "usage" | "tellsUsage">): string;
}

/** What a chunk says beside its text. */
export interface More {
  /** Ids of the tokens that are new with it, for a client that asked for them. */
  tokenIds?: readonly number[];
  /** Figures so far, for a client that wants them with each event. */
  usage?: ToldUsage | null;
}

export interface VoiceEnd {
  /** In the words of completions: "stop", "length". */
  reason: string;
  /** The stop string or token that was met; null for none. */
  stopReason: Json[string];
  /** Figures of the whole answer; null where they are not known. */
  usage: ToldUsage | null;
  /** Whether the client wants a last event with the figures (`stream_options.include_usage`). */
  tellsUsage: boolean;
}
