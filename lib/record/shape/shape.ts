// From a capture to the lines of its record, in steps between which others may run.

import { dialectOf } from "../../api/dialects.ts";
import { assembleInSteps } from "../../sse/assemble/assemble.ts";
import type { Answer } from "../../sse/assemble/answer.ts";
import { EventStore } from "../../sse/event_store.ts";
import { isFetch } from "../background.ts";
import type { Capture } from "../capture.ts";
import { recordLine } from "../json_text.ts";
import { LongTexts } from "../long_texts.ts";
import { type RecordFormat, type Records, recordsOf, unparsedRecord } from "../record.ts";
import { hasTooManyValues } from "../../json/values.ts";
import { isHeavyJson } from "./weight.ts";

/** The lines of one capture. */
export interface Shaped {
  complete: boolean;
  /** Each in pieces, UTF-8 where it is bytes, with its line feed. */
  lines: (string | Uint8Array)[][];
}

/** What is kept of a text that is not parsed. */
const UNPARSED_BYTES = 1024 * 1024;
const decoder = new TextDecoder();

/** What comes of a capture. */
export type Result =
  | { kind: "shaped"; shaped: Shaped }
  /** Its request is too much to be parsed on the spot. */
  | { kind: "heavy" }
  /** The answer is made in the background, under the name `id`. */
  | { kind: "pending"; id: string }
  /** It is the answer `id`, and what was asked is not in it. */
  | { kind: "fetched"; id: string };

/** The last value is the result. */
export function* shapeInSteps(capture: Capture, format: RecordFormat): Generator<void, Result> {
  const long = longTextsOf(capture);
  if (isHeavyJson(long?.body ?? capture.requestBody)) return { kind: "heavy" };
  const assembler = dialectOf(capture.api).assembler();
  const answer = yield* assembleInSteps(assembler, capture.response, capture.parsed);
  const { id, pending } = answer;
  // What policies found something in is written as far as it is there.
  if (capture.flagged) return { kind: "shaped", shaped: shaped(capture, answer, long, format) };
  if (pending && capture.outcome === "complete") return { kind: "pending", id };
  if (isFetch(capture)) return { kind: "fetched", id };
  return { kind: "shaped", shaped: shaped(capture, answer, long, format) };
}

/** The record of a heavy capture, in one go. */
export function shapeHeavy(capture: Capture, format: RecordFormat): Shaped {
  const { requestBody, response } = capture;
  const bodies = response instanceof Uint8Array ? [requestBody, response] : [requestBody];
  if (bodies.some(hasTooManyValues)) {
    return shapeUnparsed(capture, "it has more values than are parsed for a record", format);
  }
  const steps = assembleInSteps(dialectOf(capture.api).assembler(), response);
  for (;;) {
    const step = steps.next();
    if (step.done) return shaped(capture, step.value, longTextsOf(capture), format);
  }
}

/** The record of a capture that nobody parses, for the reason given. */
export function shapeUnparsed(capture: Capture, reason: string, format: RecordFormat): Shaped {
  const texts = { request: begin(capture.requestBody), answer: beginOfAnswer(capture) };
  return written(unparsedRecord(capture, texts, reason, format));
}

/** The texts that need no parsing. */
function longTextsOf({ outcome, requestBody }: Capture): LongTexts | null {
  return outcome === "complete" ? LongTexts.in(requestBody) : null;
}

function shaped(
  capture: Capture,
  answer: Answer,
  long: LongTexts | null,
  format: RecordFormat,
): Shaped {
  if (long !== null) {
    const { complete, lines } = recordsOf({ ...capture, requestBody: long.body }, answer, format);
    const restored = lines.map((line) => long.restore(recordLine(line)));
    if (restored.every((pieces) => pieces !== null)) return { complete, lines: restored };
  }
  return written(recordsOf(capture, answer, format));
}

function written({ complete, lines }: Records): Shaped {
  return { complete, lines: lines.map((line) => [recordLine(line)]) };
}

function begin(bytes: Uint8Array): string {
  const text = decoder.decode(bytes.subarray(0, UNPARSED_BYTES));
  return bytes.length > UNPARSED_BYTES ? `${text}… (${bytes.length} bytes)` : text;
}

function beginOfAnswer({ response }: Capture): string {
  if (!(response instanceof EventStore)) return response === null ? "" : begin(response);
  let text = "";
  for (const { bytes } of response.steps()) {
    text += begin(bytes);
    if (text.length > UNPARSED_BYTES) return `${text.slice(0, UNPARSED_BYTES)}…`;
  }
  return text;
}
