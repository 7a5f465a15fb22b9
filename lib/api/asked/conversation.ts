// What a request asked, in one form for every API: OpenAI's chat messages. What was answered, and the
// shape of a record, are added elsewhere.

import { isObject, type Json } from "../../json/json.ts";

/** An OpenAI chat message; fields this program does not know stay in it. */
export type Message = Json;

export interface Asked {
  messages: Message[];
  /** OpenAI's form of the tools offered; empty for none. */
  tools: Json[];
  /** The last message is the beginning of the answer, left open by the client. */
  prefilled: boolean;
  /** The answer repeats that beginning (`echo`). */
  echoed: boolean;
  /** The content of the message is the token ids of a prompt, as JSON. */
  tokenIds?: boolean;
  /** Why this is no conversation to learn from; undefined when it is one. */
  unusable?: string;
}

/** `value`, when it is an object; an empty one otherwise. */
export function objectOr(value: unknown): Json {
  return isObject(value) ? value : {};
}

/** The tools of an API that has them flat (Responses, Anthropic), in the nested form of chat. */
export function nestedTool(tool: Json, parameters: unknown): Json {
  const { name, description, strict } = tool;
  return {
    type: "function",
    function: {
      name,
      ...(description === undefined ? {} : { description }),
      parameters: isObject(parameters) ? parameters : { type: "object", properties: {} },
      ...(strict === undefined ? {} : { strict }),
    },
  };
}

/** A list of text parts as plain text, any other list of parts as it is. */
export function simplified(parts: readonly Json[]): string | Json[] {
  const plain = parts.every((part) => part.type === "text" && Object.keys(part).length === 2);
  return plain ? parts.map((part) => String(part.text)).join("\n") : [...parts];
}
