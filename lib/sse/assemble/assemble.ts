// Feeds the assembler of an API: from the events of a stream step by step, so that
// the caller may let others run in between, or from a whole body.

import { parsePythonJson } from "../../json/python_json.ts";
import type { EventStore } from "../event_store.ts";
import { MALFORMED } from "../flags.ts";
import { meaningOf } from "../meaning.ts";
import { parseEvents } from "../parse.ts";
import type { Answer, Assembler } from "./answer.ts";
import { isObject, type Json } from "../../json/json.ts";
import { PlainText } from "./plain_text.ts";

const decoder = new TextDecoder();

/**
 * Puts an answer together, yielding after each event; the last value is the answer. Bytes are a JSON
 * body, or the text of a stream (an instance may stream unasked); null is no answer at all. `json` is the body
 * where somebody has parsed it.
 */
export function* assembleInSteps(
  assembler: Assembler,
  response: Uint8Array | EventStore | null,
  json?: Json | null,
): Generator<void, Answer> {
  let malformed = 0;
  if (json) assembler.body(json);
  else if (response instanceof Uint8Array) {
    const body = parsed(decoder.decode(response));
    if (isObject(body)) assembler.body(body);
    else malformed = yield* feed(assembler, response);
  } else if (response !== null) {
    const plain = assembler.textPath === undefined ? null : new PlainText(assembler.textPath);
    for (const step of response.steps()) {
      const text = plain?.take(step) ?? null;
      if (text === null) malformed += yield* feed(assembler, step.bytes, plain);
      else {
        assembler.text!(plain!.choice, text);
        yield;
      }
    }
  }
  return { ...assembler.answer(), malformed };
}

/** The same at once. */
export function assemble(assembler: Assembler, response: Uint8Array | EventStore | null): Answer {
  const steps = assembleInSteps(assembler, response);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** Gives the events in `bytes` to the assembler; returns how many were no JSON. */
function* feed(
  assembler: Assembler,
  bytes: Uint8Array,
  plain: PlainText | null = null,
): Generator<void, number> {
  let malformed = 0;
  for (const { event, data } of parseEvents(bytes)) {
    if (data !== "" && data.trim() !== "[DONE]") {
      const json = parsed(data);
      if (isObject(json)) {
        assembler.event(json, event);
        plain?.learn(bytes, json);
      } else if (meaningOf(event ?? "", data) & MALFORMED) malformed++;
    }
    yield;
  }
  return malformed;
}

function parsed(text: string): unknown {
  try {
    return parsePythonJson(text);
  } catch {
    // Broken by the instance or cut off; the caller counts it.
    return undefined;
  }
}
