// What an API is: where it is asked, how its requests, answers and errors look. One file for each API
// holds all of it; what is done with it is left to the server, the forward loop, policies and records.

import type { Answer, Assembler } from "../sse/assemble/answer.ts";
import type { Json } from "../json/json.ts";
import type { ToldUsage } from "./usage.ts";
import type { Voice } from "./voice.ts";
import type { Asked } from "./asked/conversation.ts";
import type { Prompt } from "./asked/prompt.ts";

export type { Answer, Assembler, Json };
export { mergedUsage, type ToldUsage } from "./usage.ts";

export interface Dialect {
  /** What the API is called in records, metrics and options. */
  readonly name: string;
  /** Where it is asked, below the address of a server. */
  readonly path: string;
  /** Top-level fields of a request that `choicesOf` reads. */
  readonly choiceFields: readonly string[];
  /** Top-level fields of a request that the prompt is made of, in the order in which the model reads them. */
  readonly promptFields: readonly string[];
  /** What the most tokens that an answer may have are called; the first that a request has counts. */
  readonly answerLengthFields: readonly string[];
  /** How many answers the request asks for at once. */
  choicesOf(fields: BodyFields): number;
  /** The conversation that a request is about. `choice` matters where each answer has a prompt of its own. */
  asked(body: Json, choice: number): Asked;
  /** The prompt of a request as `/tokenize` takes it; missing where it needs no template. */
  prompt?(body: Json): Prompt;
  /** What vLLM makes of it where the template refuses that; missing where it then refuses the request. */
  promptRefused?(prompt: Json): Prompt;
  /** Puts an answer together, from events or from a whole body. */
  assembler(): Assembler;
  /**
   * Where the model's words stand in an event's data or in a whole body. Names and ids are none of them.
   * `name` is the `event:` field, for streams that say there alone what an event is.
   */
  texts(data: Json, name?: string): Text[];
  /** Whether a whole body holds an answer of this API: an object without one is none. */
  holdsAnswer(body: Json): boolean;
  /** Token counts in an event's data or in a whole body; null without. */
  usageIn(data: Json): ToldUsage | null;
  /** An error in a stream that has begun; nothing follows it. */
  errorEvent(status: number, message: string, param?: string | null): Uint8Array;
  /** The body of an answer that is an error. */
  errorBody(status: number, message: string, param?: string | null): Uint8Array;
  /**
   * The events that end a streamed answer in its middle as the API's own server would, `doneEvent` left
   * out. `sent` is what the client has of it, from the beginning.
   */
  endEvents(end: End, sent: Iterable<StreamEvent>): Uint8Array;
  /** What follows the end of all choices; null where the end events are the last. */
  readonly doneEvent: Uint8Array | null;
  /** How a broken answer may go on, best first; which is safe depends on the request. */
  readonly resumeWays: readonly ResumeWay[];
  /** Speaks on in the middle of a streamed answer, of which `sent` is what the client has; missing where nobody can. */
  voice?(sent: Iterable<StreamEvent>): Voice;
  /** The instance keeps answers for later requests, which name them by id. */
  readonly keepsAnswers: boolean;
}

/**
 * exact: prompt and answer so far are given back as token ids. continue: the text so far is given back
 * as an open answer. replay: asked again from the start.
 */
export type ResumeWay = "exact" | "continue" | "replay";

/** The top-level fields of a request's body, looked into as far as they are asked for. */
export interface BodyFields {
  /** A name, a number or the like; undefined where the field is missing, null where it is longer than such. */
  value(name: string): unknown;
  /** How many items a list has, and the character that its first begins with; null where it is none. */
  list(name: string): { items: number; first: string } | null;
}

/** One event of a stream with its data parsed. */
export interface StreamEvent {
  /** The `event:` field. */
  name?: string;
  data: Json;
}

export type Channel = "content" | "reasoning" | "arguments";

/** A piece of what the model says, and where it stands. */
export interface Text {
  choice: number;
  channel: Channel;
  /** The pieces of one part follow each other and make one text: a block, an item, the arguments of a call. */
  part: string;
  text: string;
  /** From the data to the value. */
  path: readonly (string | number)[];
  /** Says in full what earlier events have said in pieces, or the same under a second name. */
  repeats: boolean;
  /** What stands at the path: a JSON string of the text, or the JSON that the text is. */
  form: "string" | "json";
}

/** Why an answer ends, in the words of chat completions. */
export type EndReason = "stop" | "length" | "tool_calls" | "content_filter";

export interface End {
  reason: EndReason;
  /** Index of the choice that ends. */
  choice: number;
  /** What the answer has cost, where the end says so. */
  usage: ToldUsage | null;
}
