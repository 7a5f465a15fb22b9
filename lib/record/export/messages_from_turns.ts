// ShareGPT turns back to OpenAI messages, for records that were written in ShareGPT form. Ids of tool
// calls were not kept there and are made anew.

import { isObject, type Json, objectsIn, textOf } from "../../json/json.ts";
import type { Media } from "../media.ts";

const ROLES: Readonly<Record<string, string>> = {
  system: "system",
  human: "user",
  gpt: "assistant",
};

/** The messages of a record with `conversations`; `given` is what its placeholders stand for. */
export function messagesFrom(record: Json, given: Media): Json[] {
  const media = new MediaQueue(given);
  const messages: Json[] = [];
  let calls: string[] = [];
  for (const { from, value: said } of objectsIn(record.conversations)) {
    const value = textOf(said);
    if (from === "function_call") {
      const message = callsFrom(value, messages.length);
      calls = objectsIn(message.tool_calls).map((call) => textOf(call.id));
      const last = messages.at(-1);
      const before = messages.at(-2);
      // The empty turn between a text and its calls was made for the alternation of ShareGPT.
      if (last?.role === "user" && last.content === "" && before?.role === "assistant") {
        messages.splice(-2, 2, { ...message, ...before });
      } else messages.push(message);
    } else if (from === "observation") {
      messages.push({ role: "tool", tool_call_id: calls.shift() ?? "", content: value });
    } else if (from === "gpt") {
      messages.push({ role: "assistant", ...thoughtAndText(value) });
    } else {
      messages.push({ role: ROLES[textOf(from)] ?? "user", content: media.contentOf(value) });
    }
  }
  // The empty turn in front of a conversation that the model opened.
  const at = messages[0]?.role === "system" ? 1 : 0;
  if (messages[at]?.role === "user" && messages[at].content === "") messages.splice(at, 1);
  return messages;
}

/** `<think>…</think>` at the start is what the model thought. */
function thoughtAndText(value: string): { content: string; reasoning_content?: string } {
  const thought = /^<think>([\s\S]*?)<\/think>/.exec(value);
  if (thought === null) return { content: value };
  return { content: value.slice(thought[0].length), reasoning_content: thought[1] };
}

function callsFrom(value: string, position: number): Json {
  const { content, ...thought } = thoughtAndText(value);
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    // No calls of this program's making: kept as what the model said.
    return { role: "assistant", content, ...thought };
  }
  const calls = Array.isArray(parsed) ? objectsIn(parsed) : isObject(parsed) ? [parsed] : [];
  return {
    role: "assistant",
    content: null,
    ...thought,
    tool_calls: calls.map((call, at) => ({
      id: `call_${position}_${at}`,
      type: "function",
      function: {
        name: textOf(call.name),
        arguments: typeof call.arguments === "string"
          ? call.arguments
          : JSON.stringify(call.arguments ?? {}),
      },
    })),
  };
}

/** Gives each placeholder in the texts its picture, sound or film back. */
class MediaQueue {
  readonly #queues: Record<string, string[]>;

  constructor({ images, audios, videos }: Media) {
    this.#queues = { image: [...images], audio: [...audios], video: [...videos] };
  }

  contentOf(value: string): string | Json[] {
    const parts: Json[] = [];
    let found = false;
    for (const piece of value.split(/(<image>|<audio>|<video>)/)) {
      const kind = /^<(image|audio|video)>$/.exec(piece)?.[1];
      const url = kind === undefined ? undefined : this.#queues[kind].shift();
      if (kind !== undefined && url !== undefined) {
        found = true;
        parts.push({ type: `${kind}_url`, [`${kind}_url`]: { url } });
      } else if (piece.trim() !== "") {
        parts.push({ type: "text", text: piece.replace(/^\n|\n$/g, "") });
      }
    }
    return found ? parts : value;
  }
}
