// What a client heard: the body of an answer, of any of the three APIs, as tokens and an end, and in
// what it differs from the answer that it should be. Nothing of the gateway's own code is used.

import type { Api } from "./questions.ts";

/** An answer. */
export interface Heard {
  /** Text of each event that had any, in order; a single one for an answer that was not streamed. */
  tokens: string[];
  calls: { name: string; arguments: string }[];
  finish: string | null;
  promptTokens: number | null;
  completionTokens: number | null;
  /** An error event in place of the rest; null without. */
  error: string | null;
  /** What must be there once: ids, roles, finish reasons, ends of the stream. */
  ids: number;
  roles: number;
  finishes: number;
  ends: number;
}

// deno-lint-ignore no-explicit-any -- bodies of three APIs
type Any = any;

/** Reads a body; throws SyntaxError where it is not what it should be. */
export function hear(api: Api, stream: boolean, body: string): Heard {
  const heard: Heard = {
    tokens: [],
    calls: [],
    finish: null,
    promptTokens: null,
    completionTokens: null,
    error: null,
    ids: 0,
    roles: 0,
    finishes: 0,
    ends: 0,
  };
  const ids = new Set<string>();
  const events = stream ? dataOf(body) : [body];
  for (const data of events) {
    if (data === "[DONE]") {
      heard.ends++;
      continue;
    }
    const value = JSON.parse(data);
    if (value.error !== undefined) {
      heard.error = value.error.message ?? JSON.stringify(value.error);
    } else if (api === "messages") messagesEvent(heard, ids, value);
    else chunk(heard, ids, value);
  }
  heard.ids = ids.size;
  return heard;
}

function dataOf(body: string): string[] {
  const events = body.split("\n\n");
  if (events.pop() !== "") throw new SyntaxError("the stream ends inside an event");
  return events.flatMap((event) =>
    event.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6))
  );
}

function chunk(heard: Heard, ids: Set<string>, value: Any): void {
  ids.add(value.id);
  if (value.usage) {
    heard.promptTokens = value.usage.prompt_tokens;
    heard.completionTokens = value.usage.completion_tokens;
  }
  for (const choice of value.choices) {
    const said = choice.delta ?? choice.message ?? { content: choice.text };
    if (said.role) heard.roles++;
    if (said.content) heard.tokens.push(said.content);
    for (const [at, call] of (said.tool_calls ?? []).entries()) {
      const known = heard.calls[call.index ?? at] ??= { name: "", arguments: "" };
      known.name += call.function.name ?? "";
      known.arguments += call.function.arguments ?? "";
    }
    if (choice.finish_reason) {
      heard.finish = choice.finish_reason;
      heard.finishes++;
    }
  }
}

function messagesEvent(heard: Heard, ids: Set<string>, value: Any): void {
  const block = (content: Any) => {
    if (content.type === "text" && content.text) heard.tokens.push(content.text);
    if (content.type === "tool_use") {
      const given = Object.keys(content.input).length === 0 ? "" : JSON.stringify(content.input);
      heard.calls.push({ name: content.name, arguments: given });
    }
  };
  const head = (message: Any) => {
    ids.add(message.id);
    heard.roles++;
    const { input_tokens, cache_read_input_tokens } = message.usage;
    heard.promptTokens = input_tokens + (cache_read_input_tokens ?? 0);
    for (const content of message.content) block(content);
  };
  const end = (delta: Any, usage: Any) => {
    if (delta.stop_reason) {
      heard.finish = delta.stop_reason;
      heard.finishes++;
    }
    heard.completionTokens = usage.output_tokens;
  };
  switch (value.type) {
    case "message":
      head(value);
      end(value, value.usage);
      break;
    case "message_start":
      head(value.message);
      break;
    case "content_block_start":
      block(value.content_block);
      break;
    case "content_block_delta":
      if (value.delta.type === "text_delta") heard.tokens.push(value.delta.text);
      else heard.calls.at(-1)!.arguments += value.delta.partial_json;
      break;
    case "message_delta":
      end(value.delta, value.usage);
      break;
    case "message_stop":
    case "content_block_stop":
    case "ping":
      break;
    default:
      throw new SyntaxError(`an event of type ${value.type}`);
  }
}

/** How an answer went wrong. */
export interface Difference {
  kind: "truncated" | "doubled" | "wrong";
  what: string;
}

/** null when the client heard just what it should have, token by token. */
export function difference(heard: Heard, right: Heard): Difference | null {
  if (heard.error !== null) return { kind: "truncated", what: `an error event: ${heard.error}` };
  if (heard.finish === null) return { kind: "truncated", what: "no finish reason" };
  for (const name of ["ids", "roles", "finishes", "ends"] as const) {
    if (heard[name] > right[name]) {
      return { kind: "doubled", what: `${heard[name]} ${name}, not ${right[name]}` };
    }
    if (heard[name] < right[name]) {
      return { kind: "truncated", what: `${heard[name]} ${name}, not ${right[name]}` };
    }
  }
  for (let at = 0; at < Math.max(heard.tokens.length, right.tokens.length); at++) {
    const [was, should] = [heard.tokens[at], right.tokens[at]];
    if (was === should) continue;
    const kind = should === undefined ? "doubled" : was === undefined ? "truncated" : "wrong";
    return { kind, what: `token ${at} is ${JSON.stringify(was)}, not ${JSON.stringify(should)}` };
  }
  for (const name of ["calls", "finish", "promptTokens", "completionTokens"] as const) {
    const [was, should] = [JSON.stringify(heard[name]), JSON.stringify(right[name])];
    if (was !== should) return { kind: "wrong", what: `${name} is ${was}, not ${should}` };
  }
  return null;
}
