// From a finished request to the lines of a record file: one for each choice, and whether they may
// stand among the training data. How a line looks is left to sharegpt.ts and openai.ts.

import type { Asked, Message } from "../api/asked/conversation.ts";
import { dialectOf } from "../api/dialects.ts";
import { type Answer, type AnswerChoice, isObject, type Json } from "../sse/assemble/answer.ts";
import { EventStore } from "../sse/event_store.ts";
import type { Capture } from "./capture.ts";
import { metaOf } from "./meta.ts";
import { openaiRecord } from "./openai.ts";
import { sharegptRecord } from "./sharegpt.ts";

export type RecordFormat = "sharegpt" | "openai";

/** One conversation with its answer, in no format yet. */
export interface Conversation {
  id: string;
  messages: Message[];
  tools: Json[];
  model: string;
  /** Seconds since 1970. */
  created: number;
  meta: Json;
}

export interface Records {
  /** May be trained on as they are. */
  complete: boolean;
  /** Objects to be written, one a line. */
  lines: Json[];
}

const decoder = new TextDecoder();

export function recordsOf(capture: Capture, answer: Answer, format: RecordFormat): Records {
  const dialect = dialectOf(capture.api);
  const body = requestOf(capture);
  const made = format === "openai" ? openaiRecord : sharegptRecord;
  // Without any answer there is still the request, which is what one looks for after a failure.
  const choices = answer.choices.length > 0 ? answer.choices : [undefined];
  const asked = choices.map((choice) => dialect.asked(body, choice?.index ?? 0));
  const fault = faultOf(capture, answer) ?? asked.find((one) => one.unusable)?.unusable;
  const lines = choices.map((choice, at) =>
    made({
      id: idOf(capture, answer, choice),
      messages: joined(asked[at], choice),
      tools: asked[at].tools,
      model: capture.model,
      created: answer.created ?? Math.floor(capture.startedAtMs / 1000),
      meta: metaOf(capture, answer, choice, body, fault),
    })
  );
  return { complete: fault === undefined, lines };
}

/** Why the answer is not whole; undefined when it is. What the gateway saw counts first. */
function faultOf(capture: Capture, answer: Answer): string | undefined {
  if (capture.outcome !== "complete") return capture.error ?? answer.error ?? capture.outcome;
  if (capture.response instanceof EventStore && capture.response.truncated) {
    return "the answer is longer than what is kept of one (record.max_bytes)";
  }
  if (answer.malformed > 0) return `${answer.malformed} events of the answer were no JSON`;
  if (answer.error !== undefined) return answer.error;
  return answer.complete ? undefined : "not every choice has a finish reason that is a real end";
}

function requestOf(capture: Capture): Json {
  try {
    const body = JSON.parse(decoder.decode(capture.requestBody));
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
