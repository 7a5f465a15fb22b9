// Policies of type `rewrite`: other names for models, fields that are dropped, and blanks that say nothing.

import { isObject } from "../../json/json.ts";
import type { JsonPath } from "./json_splice.ts";
import type { PromptBody } from "./prompt_body.ts";

/** Blanks and empty lines that are more than one, but not the indents of lines or code between fences. */
function collapsed(text: string): string {
  return text.split(/(```[\s\S]*?(?:```|$))/).map((part, at) => at % 2 === 1 ? part : plain(part))
    .join("");
}

function plain(text: string): string {
  return text
    .replace(/[ \t]+(?=\r?\n)/g, "")
    .replace(/(?:\r?\n){3,}/g, "\n\n")
    .replace(/(?<=\S)[ \t]{2,}(?=\S)/g, " ");
}

/** Where the texts of the conversation stand that a client wrote or quotes; calls of tools are none. */
function textPlaces(body: PromptBody): { path: JsonPath; text: string }[] {
  const { json, api } = body;
  const places: { path: JsonPath; text: string }[] = [];
  const add = (path: JsonPath, value: unknown) => {
    if (typeof value === "string") places.push({ path, text: value });
  };
  const addContent = (path: JsonPath, content: unknown) => {
    add(path, content);
    if (!Array.isArray(content)) return;
    content.forEach((part, at) => {
      if (isObject(part)) add([...path, at, "text"], part.text);
    });
  };
  if (api === "completions") add(["prompt"], json.prompt);
  addContent(["system"], json.system);
  add(["instructions"], json.instructions);
  add(["input"], json.input);
  for (const field of ["messages", "input"]) {
    const list = json[field];
    if (!Array.isArray(list)) continue;
    list.forEach((item, at) => {
      if (isObject(item)) addContent([field, at, "content"], item.content);
    });
  }
  return places;
}

/** Collapses blanks in all texts; the bytes that were saved. */
export function collapseTexts(body: PromptBody): number {
  const before = body.bytes.length;
  const changes = textPlaces(body).map(({ path, text }) => ({ path, text, value: collapsed(text) }))
    .filter(({ text, value }) => text !== value);
  body.put(changes);
  return before - body.bytes.length;
}

/** Leaves fields out; which of them there were. */
export function dropFields(body: PromptBody, names: readonly string[]): string[] {
  const found = names.filter((name) => name in body.json);
  body.set(Object.fromEntries(found.map((name) => [name, undefined])));
  return found;
}
