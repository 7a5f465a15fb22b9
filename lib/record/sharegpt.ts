// The `sharegpt` form of a record, by the rules of LLaMA-Factory: one system turn at most, in front;
// then human or observation on odd places, gpt or function_call on even ones. Every record has the same
// keys with values of the same types, since loaders infer a schema from the first megabytes of a file.

import { isObject, type Json, objectsIn, textOf } from "../json/json.ts";
import { jsonText, wellFormedJson } from "./json_text.ts";
import { type Media, textWithMedia } from "./media.ts";
import type { Conversation } from "./conversation.ts";
import type { Message } from "../api/asked/conversation.ts";

type From = "system" | "human" | "gpt" | "function_call" | "observation";

export interface Turn {
  from: From;
  value: string;
}

export type SharegptRecord = {
  id: string;
  /** Never empty. */
  conversations: Turn[];
  /** JSON of a list in OpenAI's form; "" where none were offered. */
  tools: string;
  model: string;
  /** Seconds since 1970. */
  created: number;
  /** JSON of an object; `media` in it has what the placeholders in the turns stand for. */
  meta: string;
};

export function sharegptRecord(conversation: Conversation): SharegptRecord {
  const { id, messages, tools, model, created, meta } = conversation;
  const media: Media = { images: [], audios: [], videos: [] };
  const turns = turnsOf(messages, media);
  const offered = tools.filter((tool) => isObject(tool.function)).map(callable);
  return {
    id,
    // An empty list has no type.
    conversations: turns.length === 0 ? [{ from: "human", value: "" }] : turns,
    tools: offered.length === 0 ? "" : jsonText(offered),
    model,
    created,
    meta: jsonText(withMedia(meta, media)),
  };
}

function withMedia(meta: Json, media: Media): Json {
  const { images, audios, videos } = media;
  if (images.length + audios.length + videos.length === 0) return meta;
  const lists = Object.entries(media).filter(([, list]) => list.length > 0);
  return { ...meta, media: Object.fromEntries(lists) };
}

/** LLaMA-Factory reads `parameters` of each tool; OpenAI lets it be missing. */
function callable(tool: Json): Json {
  const fn = tool.function as Json;
  if (isObject(fn.parameters)) return tool;
  return { ...tool, function: { ...fn, parameters: { type: "object", properties: {} } } };
}

/** The messages as turns that alternate. */
export function turnsOf(messages: readonly Message[], media: Media): Turn[] {
  const system: string[] = [];
  const turns: Turn[] = [];
  for (const message of messages) {
    if (message.role === "system" || message.role === "developer") {
      system.push(textWithMedia(message.content, media));
    } else {
      for (const turn of turnsIn(message, media)) append(turns, turn);
    }
  }
  // A conversation that the model opened, or that has a system prompt alone.
  if (turns.length > 0 && isModels(turns[0])) turns.unshift({ from: "human", value: "" });
  const instructions = system.filter((text) => text !== "").join("\n\n");
  return instructions === "" ? turns : [{ from: "system", value: instructions }, ...turns];
}

function isModels(turn: Turn): boolean {
  return turn.from === "gpt" || turn.from === "function_call";
}

function turnsIn(message: Message, media: Media): Turn[] {
  const text = textWithMedia(message.content, media);
  switch (message.role) {
    case "assistant":
      return modelTurns(message, text);
    case "tool":
    case "function":
      return [{ from: "observation", value: text }];
    default:
      return [{ from: "human", value: text }];
  }
}

/** What the model said in one message: its text, its calls, or the one after the other. */
function modelTurns(message: Message, text: string): Turn[] {
  const reasoning = textOf(message.reasoning) || textOf(message.reasoning_content);
  const calls = callsIn(message);
  // A spoken answer has its words beside the sound.
  const said = text || textOf(message.refusal) || transcriptIn(message.audio);
  if (calls.length === 0) {
    // As the model wrote it: where the server cut its output in two it is whole again.
    const thought = reasoning === "" ? "" : `<think>${reasoning}</think>`;
    return [{ from: "gpt", value: thought + said }];
  }
  const value = calls.length === 1 ? calls[0] : `[${calls.join(", ")}]`;
  if (said !== "") {
    const thought = reasoning === "" ? "" : `<think>${reasoning}</think>`;
    return [{ from: "gpt", value: thought + said }, { from: "function_call", value }];
  }
  // LLaMA-Factory takes the thought off the calls only where it has these line feeds.
  const thought = reasoning === ""
    ? ""
    : `<think>\n${reasoning.replace(/^\n+|\n+$/g, "")}\n</think>\n\n`;
  return [{ from: "function_call", value: thought + value }];
}

function transcriptIn(audio: unknown): string {
  return isObject(audio) ? textOf(audio.transcript) : "";
}

/** Each call as the text `{"name": …, "arguments": …}`. */
function callsIn(message: Message): string[] {
  const calls = objectsIn(message.tool_calls).map((call) => call.function).filter(isObject);
  // OpenAI's form before there were tools.
  if (isObject(message.function_call)) calls.push(message.function_call);
  return calls.map((fn) =>
    `{"name": ${jsonText(textOf(fn.name))}, "arguments": ${argumentsText(fn.arguments)}}`
  );
}

/** JSON goes in as it was written, so that long numbers survive; anything else as a string. */
function argumentsText(given: unknown): string {
  if (typeof given !== "string") return jsonText(given ?? {});
  if (given.trim() === "") return "{}";
  try {
    JSON.parse(given);
    return wellFormedJson(given);
  } catch {
    // The model wrote something that is no JSON, or was cut off: it is kept as text.
    return jsonText(given);
  }
}

/**
 * Adds a turn, so that the sides alternate. Turns of one side in a row become one; only a text beside
 * calls cannot be one turn, and gets an empty turn of the other side between, so that both are kept.
 */
function append(turns: Turn[], turn: Turn): void {
  const last = turns.at(-1);
  if (last === undefined || isModels(last) !== isModels(turn)) {
    turns.push(turn);
  } else if (!isModels(turn)) {
    if (turn.from === "observation") last.from = "observation";
    last.value = beside(last.value, turn.value);
  } else if (last.from === "gpt" && turn.from === "gpt") {
    last.value = beside(last.value, turn.value);
  } else {
    turns.push({ from: last.from === "gpt" ? "human" : "observation", value: "" }, turn);
  }
}

function beside(first: string, second: string): string {
  if (first === "" || second === "") return first + second;
  return `${first}\n\n${second}`;
}
