// Policies of type `system_prompt`: the house's words before, behind or in place of a client's own. There
// they stand once, however many gateways the request passes, and the same for every request of a model
// and key, so that the instances' caches of prefixes stay warm.

import { isObject, type Json } from "../../json/json.ts";
import type { JsonPath } from "./json_splice.ts";
import type { PromptBody } from "./prompt_body.ts";

export type Place = "before" | "after" | "replace";

export interface HouseText {
  /** With its variables filled in. */
  readonly text: string;
  readonly place: Place;
}

/** Variables that a text may have. */
export interface TextVariables {
  readonly model: string;
  /** Names of the caller; "" where callers are not known. */
  readonly key: string;
  readonly group: string;
  /** Today, as 2026-11-26. */
  readonly date: string;
  /** Now, as 14:05. */
  readonly time: string;
}

const VARIABLE = /\{\{(model|key|group|date|time)\}\}/g;
const BETWEEN = "\n\n";

/** `text` with its variables filled in; other braces stay as they are. */
export function filledIn(text: string, variables: TextVariables): string {
  return text.replace(VARIABLE, (_, name: keyof TextVariables) => variables[name]);
}

/** Puts the texts, in the order of their policies, into the request; whether anything changed. */
export function withHouseTexts(body: PromptBody, texts: readonly HouseText[]): boolean {
  if (texts.length === 0 || body.api === "completions") return false;
  switch (body.api) {
    case "messages":
      return setContent(body, ["system"], body.json.system, "text", texts);
    case "responses":
      return inResponses(body, texts);
    default:
      return inChat(body, texts);
  }
}

function inResponses(body: PromptBody, texts: readonly HouseText[]): boolean {
  let changed = false;
  const { input } = body.json;
  if (replaces(texts) && Array.isArray(input)) {
    const removed = new Set(input.flatMap((item, at) => isSystem(item) ? [at] : []));
    if (removed.size > 0) {
      body.relist(["input"], { removed });
      changed = true;
    }
  }
  return setContent(body, ["instructions"], body.json.instructions, "text", texts) || changed;
}

function inChat(body: PromptBody, texts: readonly HouseText[]): boolean {
  const messages = Array.isArray(body.json.messages) ? body.json.messages : null;
  if (messages === null) return false;
  const systems = messages.flatMap((message, at) => isSystem(message) ? [at] : []);
  if (replaces(texts)) {
    const [first, ...others] = systems;
    const isKept = first === 0 && isObject(messages[0]) && typeof messages[0].content === "string";
    const removed = new Set(isKept ? others : systems);
    body.relist(["messages"], { removed });
    const isSet = isKept
      ? setContent(body, ["messages", 0, "content"], messages[0].content, "text", texts)
      : insert(body, texts);
    return isSet || removed.size > 0;
  }
  // Many templates know one system message only, and that as the first one.
  if (systems[0] !== 0) return insert(body, texts);
  const first = messages[0] as Json;
  return setContent(body, ["messages", 0, "content"], first.content, "text", texts);
}

function insert(body: PromptBody, texts: readonly HouseText[]): boolean {
  const content = composed("", texts);
  const json = JSON.stringify({ role: "system", content });
  body.relist(["messages"], { inserted: [{ before: 0, json }] });
  return true;
}

function isSystem(message: unknown): boolean {
  return isObject(message) && (message.role === "system" || message.role === "developer");
}

function replaces(texts: readonly HouseText[]): boolean {
  return texts.some(({ place }) => place === "replace");
}

/** Changes a content that is a text, a list of parts, or missing; false where it is so already. */
function setContent(
  body: PromptBody,
  path: JsonPath,
  content: unknown,
  type: string,
  texts: readonly HouseText[],
): boolean {
  if (Array.isArray(content) && !replaces(texts)) {
    const own = content.map((part) =>
      isObject(part) && typeof part.text === "string" ? part.text : ""
    );
    const { before, after } = around(texts);
    const inserted = [
      ...(before === "" || own[0] === before ? [] : [{ before: 0, json: partOf(type, before) }]),
      ...(after === "" || own.at(-1) === after
        ? []
        : [{ before: content.length, json: partOf(type, after) }]),
    ];
    body.relist(path, { inserted });
    return inserted.length > 0;
  }
  const own = typeof content === "string" ? content : "";
  const wanted = composed(own, texts);
  if (wanted === content) return false;
  body.set({ [path.at(-1)!]: wanted }, path.slice(0, -1));
  return true;
}

function partOf(type: string, text: string): string {
  return JSON.stringify({ type, text });
}

/** The client's `own` text with the house's around it, which stand there once. */
function composed(own: string, texts: readonly HouseText[]): string {
  const { before, after, instead } = around(texts);
  let middle = instead ? "" : own;
  if (before !== "" && (middle === before || middle.startsWith(before + BETWEEN))) {
    middle = middle.slice(before.length + BETWEEN.length);
  }
  if (after !== "" && (middle === after || middle.endsWith(BETWEEN + after))) {
    middle = middle.slice(0, Math.max(0, middle.length - after.length - BETWEEN.length));
  }
  return [before, middle, after].filter((part) => part !== "").join(BETWEEN);
}

/** What stands before and behind the client's text when each policy has had its turn. */
function around(texts: readonly HouseText[]): { before: string; after: string; instead: boolean } {
  let before: string[] = [];
  let after: string[] = [];
  let instead = false;
  for (const { text, place } of texts) {
    if (place === "before") before.unshift(text);
    else if (place === "after") after.push(text);
    else {
      before = [text];
      after = [];
      instead = true;
    }
  }
  return { before: before.join(BETWEEN), after: after.join(BETWEEN), instead };
}
