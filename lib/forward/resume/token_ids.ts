// The exact way to resume: instances are asked for the token ids of prompt and answer, which are taken
// out of the stream again before the client sees it. With them another instance goes on at the very
// token. Only for requests whose text and tokens end at the same place. What vLLM does is described at
// `return_token_ids` (0.10.2 and later).

import { latin1Text, putLatin1 } from "../../http/latin1.ts";
import type { Api } from "../../api/api.ts";
import { isObject, type Json } from "../../sse/assemble/answer.ts";
import { ONE_RUN_OPTIONS } from "./one_run_options.ts";

const OPTION = new TextEncoder().encode('"return_token_ids":true,');
const OPEN_OBJECT = 123;
/** Inside a JSON string the quotes of such a key would be escaped: it can only be the field itself. */
const IDS = /"(prompt_)?token_ids"(\s*:\s*)\[([\d,\s]*)\]/g;
/** A delta that says something: its text is not empty. */
const SAYS = /"(?:content|text|reasoning|reasoning_content)"\s*:\s*"(?!")/;

/** Options that a request by token ids takes over as they are. */
const SAMPLING = [
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "seed",
  "presence_penalty",
  "frequency_penalty",
  "repetition_penalty",
  "logit_bias",
  "stop_token_ids",
  "ignore_eos",
  "bad_words",
  "skip_special_tokens",
  "spaces_between_special_tokens",
  "priority",
  "cache_salt",
  "vllm_xargs",
  "user",
  "stream_options",
];

/** The token ids of one streamed answer, gathered as its events go by. */
export class TokenIds {
  /** null until the instance has told them. */
  prompt: number[] | null = null;
  readonly answer: number[] = [];
  /** So many of `answer` have shown their text; those behind it may still be held back. */
  shown = 0;

  /** The event bytes[start, end) as the client gets it: its ids are null, as if nobody had asked. */
  take(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const text = latin1Text(bytes, start, end);
    if (!text.includes("token_ids")) return bytes.slice(start, end);
    const cleaned = text.replaceAll(IDS, (_, prompt, colon, list) => {
      const ids = list.trim() === "" ? [] : list.split(",").map(Number);
      if (prompt === undefined) this.note(ids, SAYS.test(text));
      else this.prompt ??= ids;
      return `"${prompt ?? ""}token_ids"${colon}null`;
    });
    const event = new Uint8Array(cleaned.length);
    putLatin1(event, 0, cleaned);
    return event;
  }

  /** Keeps the first `count` ids of the answer, all of which have shown their text. */
  cutBack(count: number): void {
    this.answer.length = this.shown = count;
  }

  /** More ids; `says` when text came with them. */
  note(ids: readonly number[], says: boolean): void {
    for (const id of ids) this.answer.push(id);
    if (says) this.shown = this.answer.length;
  }
}

/** Whether text and tokens of the answer to `request` end at the same place. */
export function mayBeExact(api: Api | null, request: Json, choices: number): boolean {
  if ((api !== "chat" && api !== "completions") || request.stream !== true || choices !== 1) {
    return false;
  }
  for (const name of [...ONE_RUN_OPTIONS, "return_token_ids", "stop", "response_format"]) {
    const value = request[name];
    const isNothing = value === undefined || value === null || value === false || value === "" ||
      (Array.isArray(value) && value.length === 0) ||
      (name === "response_format" && isObject(value) && value.type === "text");
    if (!isNothing) return false;
  }
  // Without parsers of its own the completions API would show a tool call as text.
  const tools = request.tools;
  return !(Array.isArray(tools) && tools.length > 0 && request.tool_choice !== "none") &&
    request.include_reasoning !== false;
}

/** The request's pieces with the option for token ids at the object's beginning. */
export function askingForIds(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  const [first, ...rest] = pieces;
  const begin = first.indexOf(OPEN_OBJECT) + 1;
  return [first.subarray(0, begin), OPTION, first.subarray(begin), ...rest];
}

/**
 * The /v1/completions request that goes on behind the ids shown so far: null when the token limit is
 * spent, "unknown" when there is no limit to go by. `contextLength` is in tokens.
 */
export function exactContinuation(
  api: Api,
  request: Json,
  ids: TokenIds,
  contextLength: number | null,
): Json | null | "unknown" {
  const given = request.max_completion_tokens ?? request.max_tokens;
  // The completions API's own default is 16, the chat API's what is left of the context.
  const limit = typeof given === "number"
    ? given
    : api === "completions"
    ? 16
    : contextLength === null
    ? null
    : contextLength - ids.prompt!.length;
  if (limit === null) return "unknown";
  if (limit <= ids.shown) return null;
  const next: Json = {
    model: request.model,
    prompt: [...ids.prompt!, ...ids.answer.slice(0, ids.shown)],
    max_tokens: limit - ids.shown,
    stream: true,
    add_special_tokens: false,
    return_token_ids: true,
  };
  for (const name of SAMPLING) if (request[name] !== undefined) next[name] = request[name];
  if (typeof request.min_tokens === "number") {
    next.min_tokens = Math.max(0, request.min_tokens - ids.shown);
  }
  return next;
}
