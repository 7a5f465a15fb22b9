// What an event means once it has been read in full, in every form in which servers send it. The usual
// form is told by scan.ts from its bytes; both must come to the same.

import { isObject, type Json } from "../json/json.ts";
import {
  ABORT,
  APART,
  DONE,
  EMPTY,
  ERROR,
  FINISH,
  HOLLOW,
  MALFORMED,
  OPENING,
  PLAIN,
  SILENT,
  STOPPING,
  USAGE,
} from "./flags.ts";

/** Events of the Responses, Messages, audio and image APIs whose type says all. */
const TYPES: ReadonlyMap<string, number> = new Map([
  ["error", ERROR],
  ["response.error", ERROR],
  ["response.failed", ERROR],
  ["response.cancelled", ABORT],
  ["response.created", OPENING],
  ["response.in_progress", OPENING],
  ["response.queued", OPENING],
  ["message_start", OPENING],
  ["response.completed", FINISH],
  ["response.incomplete", FINISH],
  ["message_stop", FINISH],
  ["transcript.text.done", FINISH],
  ["speech.audio.done", FINISH],
  ["image_generation.completed", FINISH],
  ["image_edit.completed", FINISH],
  ["content_block_stop", SILENT],
]);
/** How the types of the APIs begin. */
const API_TYPE = /^(response|transcript|speech|image_generation|image_edit)\.|^content_block_/;
/** Fields of a delta or a block that say nothing of the answer. */
const FRAME = new Set(["role", "type", "index"]);
/** Fields in which the events of the APIs carry what they say. */
const SAYING = ["delta", "text", "arguments", "partial_image_b64"];
/** Nothing in an answer lies deeper; what does must not take the stack. */
const MAX_DEPTH = 16;
/** How servers spell a finish reason or an error that is none. */
const NONE = /^\s*(null|none)?\s*$/i;

/** Flags of the event `name` with the text `data`, which may be JSON. */
export function meaningOf(name: string, data: string): number {
  const text = data.trim();
  if (text === "[DONE]") return DONE;
  if (text === "") return TYPES.get(name.trim()) === ERROR ? ERROR : EMPTY;
  return meaningOfJson(name, parsed(text));
}

/** The same for data that was parsed; undefined for what is no JSON. */
export function meaningOfJson(name: string, data: unknown): number {
  const named = name.trim();
  if (TYPES.get(named) === ERROR) return ERROR;
  if (data === undefined) {
    return isApiType(named) || isDefault(named) ? MALFORMED : quietFlags(named);
  }
  // `data: null` and its like stand between chunks where a server serialises a missing one.
  if (!data || (Array.isArray(data) && data.length === 0)) return EMPTY;
  if (!isObject(data)) return MALFORMED;
  if (isError(data.error) || data.object === "error" || data.type === "error") return ERROR;
  const type = isApiType(named) ? named : textOf(data.type);
  const usage = hasUsage(data) ? USAGE : 0;
  if (Array.isArray(data.choices) && (data.choices.length > 0 || !isApiType(type))) {
    return usage | meaningOfChoices(data.choices, usage !== 0);
  }
  if (isApiType(type)) return usage | meaningOfType(type, data);
  return usage !== 0 ? USAGE | APART : quietFlags(isDefault(named) ? type : named);
}

/** A custom event is no part of the answer, whatever it carries; some keep the connection open. */
function quietFlags(name: string): number {
  return name === "ping" || name === "keepalive" || name === "heartbeat" ? OPENING : SILENT;
}

/** `message` is what an event without a name is called. */
function isDefault(name: string): boolean {
  return name === "" || name === "message";
}

function isApiType(type: string): boolean {
  return TYPES.has(type) || type === "message_delta" || API_TYPE.test(type);
}

function meaningOfChoices(choices: readonly unknown[], usage: boolean): number {
  if (choices.length === 0) return usage ? APART : SILENT;
  let flags = PLAIN;
  let says = false;
  let role = false;
  for (const choice of choices) {
    if (!isObject(choice)) continue;
    flags |= endOf(choice.finish_reason, FINISH);
    // Some servers stream whole messages, or give a message where a delta belongs.
    const { delta, message, logprobs, token_ids, text } = choice;
    if (saysAnything(delta) || saysAnything(message) || saysAnything(text)) says = true;
    // A token that is a part of a character has no text yet.
    if (isFilled(token_ids) || (isObject(logprobs) && Object.values(logprobs).some(isFilled))) {
      says = true;
    }
    if (isObject(delta) && "role" in delta) role = true;
  }
  if (says || flags !== PLAIN) return flags;
  return role ? OPENING : SILENT;
}

function meaningOfType(type: string, data: Json): number {
  const flags = TYPES.get(type);
  if (flags === FINISH && isObject(data.response)) {
    const { status } = data.response;
    if (status === "failed") return ERROR;
    if (status === "cancelled") return ABORT;
    return type === "response.completed" && isHollow(data.response) ? FINISH | HOLLOW : FINISH;
  }
  if (flags !== undefined) return flags;
  if (type === "message_delta") {
    const delta = isObject(data.delta) ? data.delta : {};
    const flags = endOf(delta.stop_reason, STOPPING);
    // vLLM that is told to stop closes the message so, without a reason.
    if (flags === 0) return "stop_reason" in delta ? ABORT : SILENT;
    return flags === STOPPING && isHollow(data) ? STOPPING | HOLLOW : flags;
  }
  if (type === "content_block_start") return saysAnything(data.content_block) ? APART : SILENT;
  if (type.endsWith(".added")) {
    const item = isObject(data.item) ? data.item : {};
    return saysAnything(item.name) || saysAnything(item.arguments) ? APART : SILENT;
  }
  if (type.endsWith(".done")) return APART;
  if (!SAYING.some((field) => saysAnything(data[field]))) return SILENT;
  return type.endsWith("delta") ? PLAIN : APART;
}

/** Whether an answer that names its end says of itself that nothing was made: even an empty one has a token. */
function isHollow({ usage, output }: Json): boolean {
  if (isObject(usage) && usage.output_tokens === 0) return true;
  return Array.isArray(output) && output.length === 0;
}

/**
 * Whether the whole body of a message or response is the instance's giving up: without a reason for its end,
 * cancelled, or with nothing in it.
 */
export function bodyIsNone(body: unknown): boolean {
  if (!isObject(body)) return false;
  if (body.type === "message" && Array.isArray(body.content)) {
    return endOf(body.stop_reason, STOPPING) !== STOPPING ||
      (isHollow(body) && !saysAnything(body.content));
  }
  if (body.object !== "response") return false;
  if (body.status === "cancelled") return true;
  return body.status === "completed" && isHollow(body) && !saysAnything(partsOf(body.output));
}

/** Whether a whole answer says that the instance gave up. */
export function gaveUp(body: Json): boolean {
  const { choices } = body;
  // Messages and responses have other names for it.
  if (!Array.isArray(choices)) return bodyIsNone(body);
  return choices.some((choice) =>
    isObject(choice) && endOf(choice.finish_reason, FINISH) === ABORT
  );
}

/** What the items of a response say, without their names and states. */
function partsOf(output: unknown): unknown[] {
  const items = Array.isArray(output) ? output.filter(isObject) : [];
  return items.map(({ type, content, summary }) =>
    type === "message" ? content : type === "reasoning" ? [content, summary] : "a call"
  );
}

/** `flag` for a reason that is a real end, ABORT for one that is none, 0 where there is no reason. */
function endOf(reason: unknown, flag: number): number {
  if (typeof reason !== "string" || !isReason(reason)) return 0;
  return reason === "abort" || reason === "error" ? ABORT : flag;
}

/** Whether a finish reason is one: "" and "null" stand for none. */
export function isReason(reason: string): boolean {
  return !NONE.test(reason);
}

/** Index of each choice that has its finish reason in `data`; -1 where the choice names none. */
export function endedChoices(data: unknown): number[] {
  const choices = isObject(data) && Array.isArray(data.choices) ? data.choices : [];
  const ended = choices.filter((choice) => endOf(choice?.finish_reason, FINISH) === FINISH)
    .map((choice) => typeof choice.index === "number" ? choice.index : -1);
  return ended.length > 0 ? ended : [-1];
}

/** Whether an `error` field names an error: falsy ones, and ones with nothing in them, do not. */
export function isError(error: unknown, depth = 0): boolean {
  if (typeof error === "string") return !NONE.test(error);
  if (typeof error !== "object" || error === null) return Boolean(error);
  return depth < MAX_DEPTH && Object.values(error).some((value) => isError(value, depth + 1));
}

/** Whether some text stands in `value`, at any depth that an answer has. */
function saysAnything(value: unknown, depth = 0): boolean {
  if (typeof value === "string") return value !== "";
  if (depth > MAX_DEPTH) return false;
  if (Array.isArray(value)) return value.some((item) => saysAnything(item, depth + 1));
  if (!isObject(value)) return false;
  for (const name in value) {
    if (!FRAME.has(name) && saysAnything(value[name], depth + 1)) return true;
  }
  return false;
}

function hasUsage(data: Json): boolean {
  const holders = [data, data.response, data.message];
  return holders.some((holder) => isObject(holder) && isObject(holder.usage));
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: broken by the instance, or never meant to be any.
    return undefined;
  }
}
