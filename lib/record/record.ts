// From a finished request to the lines of a record file: one for each choice, and whether they may
// stand among the training data. How a line looks is left to sharegpt.ts and openai.ts.

import type { Asked, Message } from "../api/asked/conversation.ts";
import { dialectOf } from "../api/dialects.ts";
import { parsePythonJson } from "../json/python_json.ts";
import type { Answer, AnswerChoice } from "../sse/assemble/answer.ts";
import { isObject, type Json } from "../json/json.ts";
import { EventStore } from "../sse/event_store.ts";
import type { Capture } from "./capture.ts";
import type { Conversation } from "./conversation.ts";
import { type Fault, metaOf } from "./meta.ts";
import { openaiRecord } from "./openai.ts";
import { sharegptRecord } from "./sharegpt.ts";

export type RecordFormat = "sharegpt" | "openai";

export interface Records {
  /** May be trained on as they are. */
  complete: boolean;
  /** Objects to be written, one a line. */
  lines: Json[];
}

const decoder = new TextDecoder();
const MAX_NAME_CHARS = 200;
const WORDLESS = "the key says that its words are not recorded";

export function recordsOf(capture: Capture, answer: Answer, format: RecordFormat): Records {
  if (capture.wordless) return wordlessRecord(capture, answer, format);
  const dialect = dialectOf(capture.api);
  const body = requestOf(capture);
  // Without any answer there is still the request, which is what one looks for after a failure.
  const choices = answer.choices.length > 0 ? answer.choices : [undefined];
  const asked = choices.map((choice) => dialect.asked(body, choice?.index ?? 0));
  const unusable = asked.find((one) => one.unusable)?.unusable;
  const fault = faultOf(capture, answer) ??
    (unusable === undefined ? undefined : { outcome: "unfit", error: unusable } as const);
  const lines = choices.map((choice, at) => {
    const prompt = asked[at].tokenIds ? "token_ids" : undefined;
    return formed({
      id: idOf(capture, answer, choice),
      messages: joined(asked[at], choice),
      tools: asked[at].tools,
      model: shortName(capture.model),
      created: secondsOf(answer.created) ?? Math.floor(capture.startedAtMs / 1000),
      meta: metaOf(capture, answer, choice, body, prompt, fault),
    }, format);
  });
  return { complete: fault === undefined, lines };
}

/** That there was a conversation, how it ended and what it took; not a word of it, so nobody can train on it. */
function wordlessRecord(capture: Capture, answer: Answer, format: RecordFormat): Records {
  const fault = faultOf(capture, answer) ?? { outcome: "unfit", error: WORDLESS } as const;
  const line = formed({
    id: capture.id,
    messages: [],
    tools: [],
    model: shortName(capture.model),
    created: secondsOf(answer.created) ?? Math.floor(capture.startedAtMs / 1000),
    // Of the request's own fields some hold words as well.
    meta: metaOf(capture, answer, answer.choices[0], {}, undefined, fault),
  }, format);
  return { complete: false, lines: [line] };
}

/** The record of what was not parsed, since that would cost too much: request and answer as their text. */
export function unparsedRecord(
  capture: Capture,
  texts: { request: string; answer: string },
  error: string,
  format: RecordFormat,
): Records {
  const nothing: Answer = {
    choices: [],
    usage: null,
    id: "",
    model: "",
    created: null,
    malformed: 0,
    complete: false,
  };
  const fault: Fault = capture.outcome === "complete"
    ? { outcome: "unfit", error }
    : { outcome: capture.outcome, error: capture.error ?? error };
  const line = formed({
    id: capture.id,
    messages: capture.wordless ? [] : [
      { role: "user", content: texts.request },
      { role: "assistant", content: texts.answer },
    ],
    tools: [],
    model: shortName(capture.model),
    created: Math.floor(capture.startedAtMs / 1000),
    meta: metaOf(capture, nothing, undefined, {}, undefined, fault),
  }, format);
  return { complete: false, lines: [line] };
}

function formed(conversation: Conversation, format: RecordFormat): Json {
  return format === "openai" ? openaiRecord(conversation) : sharegptRecord(conversation);
}

/** Why the answer is not whole; undefined when it is. What the gateway saw counts first. */
function faultOf(capture: Capture, answer: Answer): Fault | undefined {
  const { outcome, error, response } = capture;
  if (outcome !== "complete") return { outcome, error: error ?? answer.error ?? outcome };
  if (response instanceof EventStore && response.truncated) {
    return {
      outcome: "unfit",
      error: "the answer is longer than what is kept of one (record.max_bytes)",
    };
  }
  if (answer.pending) {
    return { outcome: "unfit", error: "the answer is made in the background" };
  }
  const cut = (error: string): Fault => ({ outcome: "truncated", error });
  if (answer.malformed > 0) return cut(`${answer.malformed} events of the answer were no JSON`);
  if (answer.error !== undefined) return cut(answer.error);
  return answer.complete
    ? undefined
    : cut("not every choice has a finish reason that is a real end");
}

/** A whole number, whatever the instance sent. */
function secondsOf(created: number | null): number | null {
  const seconds = Math.floor(created ?? NaN);
  return Number.isSafeInteger(seconds) ? seconds : null;
}

/** Nobody's model has a longer name. */
function shortName(model: string): string {
  return model.length > MAX_NAME_CHARS ? `${model.slice(0, MAX_NAME_CHARS)}…` : model;
}

function requestOf(capture: Capture): Json {
  try {
    const body = parsePythonJson(decoder.decode(capture.requestBody));
    return isObject(body) ? body : {};
  } catch {
    // A multipart form, or no JSON: there are no messages to read.
    return {};
  }
}

function idOf(capture: Capture, answer: Answer, choice: AnswerChoice | undefined): string {
  const id = answer.id || capture.id;
  return answer.choices.length > 1 && choice !== undefined ? `${id}-${choice.index}` : id;
}

/** The conversation with the answer at its end. */
function joined(asked: Asked, choice: AnswerChoice | undefined): Message[] {
  if (choice === undefined) return asked.messages;
  const last = asked.messages.at(-1);
  const answer: Message = choice.message;
  const said = typeof answer.content === "string" ? answer.content : "";
  if (asked.prefilled && last !== undefined) {
    const begun = asked.echoed ? "" : openText(last.content);
    const whole = { ...last, ...answer, content: begun + said };
    return [...asked.messages.slice(0, -1), whole];
  }
  if (asked.echoed && typeof last?.content === "string" && said.startsWith(last.content)) {
    return [...asked.messages, { ...answer, content: said.slice(last.content.length) }];
  }
  return [...asked.messages, answer];
}

function openText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => isObject(part) && typeof part.text === "string" ? part.text : "")
    .join("");
}
