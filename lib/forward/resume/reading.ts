// How the raw text of an answer so far is to be read, proved by what the client has of it: a form that does
// not give those very words is not the server's.

import type { Answer } from "../../sse/assemble/answer.ts";
import type { Json } from "../../json/json.ts";
import {
  emptyWhole,
  gathered,
  type RawForm,
  RawReader,
  type Said,
  showsSpecial,
  USUAL_MARKS,
  type Whole,
} from "./raw_text.ts";

/** A reader that stands where the raw text ends, and what it has read beyond the client's words. */
export interface Reading {
  reader: RawReader;
  /** Whether the server is to leave special tokens out of what comes, since no mark is looked for in it. */
  skipsSpecial: boolean;
  /** What the client lacks of the text so far. */
  rest: Said[];
}

export interface ReadingOptions {
  /** Whether the server takes thoughts and tool calls out of the text (chat), or not (completions). */
  parses: boolean;
  /** Whether the request offers tools. */
  tools: boolean;
  /** Whether the server hides special tokens where no parser of it needs them. */
  hides: boolean;
  /** Marks of thinking of this model, beside the usual ones. */
  marks: readonly (readonly [string, string])[];
}

/** What an answer may hold that no reading of its raw text gives. */
const OTHER_FIELDS = ["blocks", "output_items", "refusal", "audio", "function_call"];

/** Whether an answer says more than `wordsOf` tells. */
export function saysMore(answer: Answer): boolean {
  const message = answer.choices[0]?.message ?? {};
  return OTHER_FIELDS.some((field) =>
    (message as Json)[field] !== undefined && (message as Json)[field] !== null
  );
}

/** The words that a client has of the one choice of an answer. */
export function wordsOf(answer: Answer): Whole {
  const message = answer.choices[0]?.message;
  if (message === undefined) return emptyWhole();
  return {
    content: message.content ?? "",
    reasoning: message.reasoning ?? "",
    calls: (message.tool_calls ?? []).map((call) => ({
      name: call.function.name,
      arguments: call.function.arguments,
    })),
  };
}

/** The first way of reading `raw` that gives the words the client has; null where none does. */
export function readingOf(raw: string, words: Whole, options: ReadingOptions): Reading | null {
  // Nothing that the client has tells a thought from an answer.
  if (options.parses && words.content + words.reasoning === "" && words.calls.length === 0) {
    return null;
  }
  // A character of which tokens are still missing comes with them.
  const text = raw.replace(/\uFFFD{1,3}$/, "");
  for (const form of formsFor(text, words, options)) {
    const reader = new RawReader(form);
    const said = [...reader.take(text)];
    const isPlain = form.marks === null && !form.calls;
    // What may be the beginning of a special token is none: those are never in parts.
    if (isPlain) said.push(...reader.end());
    const rest = beyond(gathered(said), words);
    if (rest === null || reader.isLost) continue;
    if (!isPlain) return { reader, skipsSpecial: false, rest };
    const skipsSpecial = form.hidesSpecial || (options.hides && !showsSpecial(raw));
    return { reader: new RawReader({ ...form, hidesSpecial: false }), skipsSpecial, rest };
  }
  return null;
}

function* formsFor(raw: string, words: Whole, options: ReadingOptions): Generator<RawForm> {
  const calls = options.parses && options.tools;
  const shown = showsSpecial(raw);
  // One that has come last proves nothing: the client's words end before it in either way.
  for (const hidesSpecial of shown && (options.hides || calls) ? [true, false] : [false, true]) {
    // vLLM's parsers leave special tokens out, though they have them shown to themselves.
    const hides = shown ? hidesSpecial : !hidesSpecial;
    const plain = { marks: null, startsThinking: false, calls, trims: false };
    if (words.reasoning === "") yield { ...plain, hidesSpecial: calls ? hides : hidesSpecial };
    if (!options.parses) continue;
    const all = [...options.marks, ...USUAL_MARKS];
    const known = all.filter(([open, close]) => raw.includes(open) || raw.includes(close));
    // Where neither mark has come, the prompt has opened the thought: any close may follow.
    for (const marks of known.length > 0 ? known : all.slice(0, 1)) {
      for (const startsThinking of [true, false]) {
        for (const trims of [false, true]) {
          yield { marks, startsThinking, calls, hidesSpecial: hides, trims };
        }
      }
    }
  }
}

/** What `whole` says beyond `words`; null where it does not begin with them. */
function beyond(whole: Whole, words: Whole): Said[] | null {
  const rest: Said[] = [];
  for (const channel of ["reasoning", "content"] as const) {
    const text = behind(whole[channel], words[channel]);
    if (text === null) return null;
    if (text === "") continue;
    // Words that have gone by come first: nothing may be added before them now.
    if (channel === "reasoning" && (words.content !== "" || words.calls.length > 0)) return null;
    rest.push({ kind: "text", channel, text });
  }
  if (words.calls.length > whole.calls.length) return null;
  for (const [index, call] of whole.calls.entries()) {
    const known = words.calls[index];
    if (known === undefined) {
      rest.push({ kind: "call", name: call.name });
      if (call.arguments !== "") rest.push({ kind: "arguments", text: call.arguments });
      continue;
    }
    const isLast = index === words.calls.length - 1;
    const text = behind(call.arguments, known.arguments);
    if (known.name !== call.name || text === null) return null;
    if (text === "") continue;
    if (!isLast) return null;
    rest.push({ kind: "arguments", text });
  }
  return rest;
}

const BROKEN = "\uFFFD";

/**
 * What `whole` says after `begin`; null where it does not begin so. Bytes that are no character may stand
 * for more or fewer replacement characters in a text that was decoded piece by piece.
 */
function behind(whole: string, begin: string): string | null {
  if (whole.startsWith(begin)) return whole.slice(begin.length);
  if (!whole.includes(BROKEN) && !begin.includes(BROKEN)) return null;
  let at = 0;
  for (const char of begin) {
    if (char === BROKEN) continue;
    while (whole[at] === BROKEN) at++;
    if (!whole.startsWith(char, at)) return null;
    at += char.length;
  }
  while (whole[at] === BROKEN) at++;
  return whole.slice(at);
}
