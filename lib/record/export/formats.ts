// The forms that an export can have, each from a record in either of the recorded forms.

import { isObject, type Json, objectsIn, textOf } from "../../sse/assemble/answer.ts";
import type { Conversation } from "../record.ts";
import { sharegptRecord, type Turn } from "../sharegpt.ts";
import { messagesFrom } from "./messages_from_turns.ts";

export interface ExportFormat {
  /** Text before the first entry, between two, and after the last. */
  opens: string;
  between: string;
  closes: string;
  /** One entry; null for a record that this form cannot hold. */
  make(record: Json): Json | null;
}

const array = { opens: "[\n", between: ",\n", closes: "\n]\n" };

export const formats = {
  sharegpt: { ...array, make: (record) => sharegptOf(record) },
  openai: { opens: "", between: "\n", closes: "\n", make: openaiOf },
  alpaca: { ...array, make: alpacaOf },
} as const satisfies Readonly<Record<string, ExportFormat>>;

export function isExportFormat(name: string): name is keyof typeof formats {
  return Object.hasOwn(formats, name);
}

/** vLLM's benchmark and LLaMA-Factory read it as it is. */
function sharegptOf(record: Json): Json | null {
  if (Array.isArray(record.conversations)) return record;
  if (!Array.isArray(record.messages)) return null;
  return sharegptRecord({
    ...record,
    tools: toolsOf(record.tools),
    meta: isObject(record.meta) ? record.meta : {},
  } as unknown as Conversation);
}

/** `tools` is a list in the one recorded form and the JSON text of one in the other. */
function toolsOf(tools: unknown): Json[] {
  if (typeof tools !== "string") return objectsIn(tools);
  try {
    return objectsIn(JSON.parse(tools));
  } catch {
    // Not written by this program; the conversation is worth more than its tools.
    return [];
  }
}

/** For TRL, axolotl and OpenAI's own fine-tuning. Lossless where `openai` was recorded. */
function openaiOf(record: Json): Json | null {
  const messages = Array.isArray(record.messages)
    ? objectsIn(record.messages)
    : messagesFrom(record);
  if (messages.length === 0) return null;
  const tools = toolsOf(record.tools);
  const { id, model, created, meta } = record;
  return { id, messages, ...(tools.length === 0 ? {} : { tools }), model, created, meta };
}

/** Stanford Alpaca with LLaMA-Factory's `system` and `history`. Tool calls have no place in it. */
function alpacaOf(record: Json): Json | null {
  const shared = sharegptOf(record);
  let turns = objectsIn(shared?.conversations) as unknown as Turn[];
  const first = turns[0];
  const system = first?.from === "system" ? textOf(first.value) : "";
  if (first?.from === "system") turns = turns.slice(1);
  if (turns.length < 2 || turns.length % 2 !== 0) return null;
  const spoken = turns.every(({ from }, at) => from === (at % 2 === 0 ? "human" : "gpt"));
  if (!spoken) return null;
  const history: [string, string][] = [];
  for (let at = 0; at < turns.length - 2; at += 2) {
    history.push([turns[at].value, turns[at + 1].value]);
  }
  return {
    instruction: turns.at(-2)!.value,
    input: "",
    output: turns.at(-1)!.value,
    ...(system === "" ? {} : { system }),
    ...(history.length === 0 ? {} : { history }),
    ...mediaOf(shared!),
  };
}

function mediaOf(record: Json): Json {
  const names = ["images", "audios", "videos"].filter((name) => record[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, record[name]]));
}
