// The four APIs as the trials ask them, and what a client hears of a stream in each. Nothing of the
// gateway's own code is used, so that both can be wrong only independently.

import type { SseAnswer } from "../support/sse.ts";
import { MODEL } from "./server.ts";

/** Tokens of an answer at most. */
export const LIMIT = 60;

export interface Api {
  name: "chat" | "completions" | "messages" | "responses";
  path: string;
  body(text: string, limit: number): Record<string, unknown>;
}

const ask = (text: string) => [{ role: "user", content: text }];

export const APIS: readonly Api[] = [
  {
    name: "chat",
    path: "/v1/chat/completions",
    body: (text, limit) => ({
      messages: ask(text),
      max_tokens: limit,
      stream_options: { include_usage: true },
    }),
  },
  {
    name: "completions",
    path: "/v1/completions",
    body: (text, limit) => ({
      prompt: text,
      max_tokens: limit,
      stream_options: { include_usage: true },
    }),
  },
  {
    name: "messages",
    path: "/v1/messages",
    // As Claude Code asks: system text in blocks, one of which vLLM leaves out, and between turns.
    body: (text, limit) => ({
      system: ["x-anthropic-billing-header: cc=1", "Be kind.", "\nBe brief."]
        .map((text) => ({ type: "text", text })),
      messages: [...ask(text), { role: "system", content: "It is late." }],
      max_tokens: limit,
    }),
  },
  {
    name: "responses",
    path: "/v1/responses",
    body: (text, limit) => ({ input: text, max_output_tokens: limit }),
  },
];

/** The body of a streamed request. */
export function streamed(api: Api, text: string, temperature: number, limit = LIMIT) {
  return { model: MODEL, stream: true, temperature, ...api.body(text, limit) };
}

/** What a client heard. */
export interface Heard {
  status: number;
  thought: string;
  text: string;
  /** Why it ended; null where nobody said. */
  finish: string | null;
  prompt: number | null;
  completion: number | null;
  /** The error event that came, or how the connection ended. */
  error: string | null;
  /** What makes the stream malformed, in a word; null where it is well formed. */
  fault: string | null;
}

/** Puts a streamed answer together. */
export function hear(api: Api, answer: SseAnswer): Heard {
  const heard: Heard = {
    ...{ status: answer.status, thought: "", text: "", finish: null, prompt: null },
    ...{ completion: null, error: answer.error?.message ?? null, fault: null },
  };
  const ids = new Set<string>();
  for (const event of answer.json) {
    if (event.error || event.type === "error") heard.error ??= JSON.stringify(event).slice(0, 300);
    const usage = event.usage ?? event.response?.usage ?? event.message?.usage;
    if (usage) {
      heard.prompt = usage.prompt_tokens ?? usage.input_tokens ?? heard.prompt;
      heard.completion = usage.completion_tokens ?? usage.output_tokens ?? heard.completion;
    }
    const id = event.id ?? event.message?.id ?? event.response?.id;
    if (id) ids.add(id);
    const choice = event.choices?.[0];
    if (choice) {
      heard.thought += choice.delta?.reasoning ?? "";
      heard.text += choice.delta?.content ?? choice.text ?? "";
      heard.finish = choice.finish_reason ?? heard.finish;
    }
    if (event.type === "content_block_delta") {
      heard.text += event.delta.text ?? "";
      heard.thought += event.delta.thinking ?? "";
    }
    if (event.type === "message_delta") heard.finish = event.delta.stop_reason;
    if (event.type === "response.output_text.delta") heard.text += event.delta;
    if (event.type === "response.reasoning_text.delta") heard.thought += event.delta;
    if (event.type === "response.completed" || event.type === "response.incomplete") {
      heard.finish = event.response.status;
    }
  }
  if (ids.size > 1) heard.fault = `${ids.size} ids`;
  else heard.fault = api.name === "responses" ? faultOfResponses(answer) : faultOf(api, answer);
  return heard;
}

function faultOf(api: Api, answer: SseAnswer): string | null {
  if (api.name === "messages") {
    const types = answer.json.map(({ type }) => type);
    const count = (type: string) => types.filter((other) => other === type).length;
    if (count("message_start") !== 1) return "not one message_start";
    if (types.at(-1) !== "message_stop") return "no message_stop at the end";
    const opened = count("content_block_start");
    return opened === count("content_block_stop") ? null : "a block is not closed";
  }
  const dones = answer.events.filter(({ data }) => data === "[DONE]").length;
  if (dones !== 1) return `${dones} [DONE]`;
  const roles = answer.json.filter(({ choices }) => choices?.[0]?.delta?.role).length;
  return api.name === "chat" && roles !== 1 ? `${roles} roles` : null;
}

function faultOfResponses(answer: SseAnswer): string | null {
  const gap = answer.json.findIndex(({ sequence_number }, at) => sequence_number !== at);
  if (gap >= 0) return `sequence_number breaks at ${gap}`;
  const last = answer.json.at(-1);
  if (!last?.response) return "no closing event";
  const deltas = answer.json.filter(({ type }) => type === "response.output_text.delta")
    .map(({ delta }) => delta).join("");
  // deno-lint-ignore no-explicit-any -- the closing event has many shapes
  const whole = last.response.output.flatMap((item: any) => item.content ?? [])
    // deno-lint-ignore no-explicit-any -- tests look into many shapes
    .filter((part: any) => part.type === "output_text").map((part: any) => part.text).join("");
  return deltas === whole ? null : "the closing event has another text than the deltas";
}

/** True where the answer ended as a complete one does. */
export function isComplete({ status, finish, error, fault }: Heard): boolean {
  return status === 200 && error === null && fault === null && finish !== null &&
    finish !== "abort" && finish !== "error";
}
