// Answers as instances send them, in each API, streamed in given pieces and whole, and what a client makes
// of the events that it gets. Nothing of the gateway's own code for events is used.

import type { Api } from "../../lib/api/dialects.ts";

export const APIS: readonly Api[] = ["chat", "completions", "responses", "messages"];

// deno-lint-ignore no-explicit-any -- tests look into many shapes
type Json = any;

/** How a string is written in JSON: every server has its own way. */
export type Write = (text: string) => string;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const MARK = "\u0001text\u0001";

function event(data: Json, text?: string, write: Write = JSON.stringify): Uint8Array {
  const name = typeof data.type === "string" ? `event: ${data.type}\n` : "";
  const json = JSON.stringify(data);
  const written = text === undefined
    ? json
    : json.replaceAll(JSON.stringify(MARK), () => write(text));
  return encoder.encode(`${name}data: ${written}\n\n`);
}

const DONE = encoder.encode("data: [DONE]\n\n");
const head = (object: string) => ({ id: "a-1", object, created: 1700000000, model: "m" });

/** The events of an answer of one choice that says `pieces`. */
export function spoken(api: Api, pieces: readonly string[], write?: Write): Uint8Array[] {
  const all = pieces.join("");
  switch (api) {
    case "chat": {
      const chunk = (delta: Json, end: string | null = null) => ({
        ...head("chat.completion.chunk"),
        choices: [{ index: 0, delta, logprobs: null, finish_reason: end, token_ids: null }],
      });
      return [
        event(chunk({ role: "assistant", content: "" })),
        ...pieces.map((piece) => event(chunk({ content: MARK }), piece, write)),
        event(chunk({}, "stop")),
        DONE,
      ];
    }
    case "completions": {
      const chunk = (text: string, end: string | null = null) => ({
        ...head("text_completion"),
        choices: [{ index: 0, text, logprobs: null, finish_reason: end, stop_reason: null }],
        usage: null,
      });
      return [
        ...pieces.map((piece) => event(chunk(MARK), piece, write)),
        event(chunk("", "stop")),
        DONE,
      ];
    }
    case "responses": {
      let number = 0;
      const next = (type: string, more: Json) => ({ type, sequence_number: number++, ...more });
      const where = { item_id: "msg_1", output_index: 0, content_index: 0 };
      const response = { id: "resp_1", object: "response", status: "in_progress", output: [] };
      const item = { id: "msg_1", type: "message", role: "assistant", status: "in_progress" };
      const part = (text: string) => ({ type: "output_text", text, annotations: [] });
      const done = { ...item, status: "completed", content: [part(MARK)] };
      const whole = { ...response, status: "completed", output: [done] };
      return [
        event(next("response.created", { response })),
        event(next("response.in_progress", { response })),
        event(next("response.output_item.added", { output_index: 0, item })),
        event(next("response.content_part.added", { ...where, part: part("") })),
        ...pieces.map((piece) =>
          event(
            next("response.output_text.delta", { ...where, delta: MARK, logprobs: [] }),
            piece,
            write,
          )
        ),
        event(next("response.output_text.done", { ...where, text: MARK }), all, write),
        event(next("response.content_part.done", { ...where, part: part(MARK) }), all, write),
        event(next("response.output_item.done", { output_index: 0, item: done }), all, write),
        event(next("response.completed", { response: whole }), all, write),
      ];
    }
    case "messages": {
      const message = { id: "msg_1", type: "message", role: "assistant", content: [], model: "m" };
      const usage = { input_tokens: 3, output_tokens: pieces.length };
      return [
        event({ type: "message_start", message: { ...message, usage } }),
        event({
          type: "content_block_start",
          index: 0,
          content_block: { type: "text", text: "" },
        }),
        ...pieces.map((piece) =>
          event(
            { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: MARK } },
            piece,
            write,
          )
        ),
        event({ type: "content_block_stop", index: 0 }),
        event({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage }),
        event({ type: "message_stop" }),
      ];
    }
  }
}

/** The same answer as one body. */
export function spokenWhole(api: Api, text: string): Uint8Array {
  const body = {
    chat: {
      ...head("chat.completion"),
      choices: [{
        index: 0,
        message: { role: "assistant", content: text },
        finish_reason: "stop",
      }],
    },
    completions: {
      ...head("text_completion"),
      choices: [{ index: 0, text, finish_reason: "stop" }],
    },
    responses: {
      id: "resp_1",
      object: "response",
      status: "completed",
      output: [{
        id: "msg_1",
        type: "message",
        role: "assistant",
        status: "completed",
        content: [{ type: "output_text", text, annotations: [] }],
      }],
    },
    messages: {
      id: "msg_1",
      type: "message",
      role: "assistant",
      content: [{ type: "text", text }],
      stop_reason: "end_turn",
    },
  }[api];
  return encoder.encode(JSON.stringify(body));
}

/** What a client has heard of choice `choice`, and the word that its answer ended with; null while it goes on. */
export interface Heard {
  readonly text: string;
  readonly end: string | null;
}

export class Listener {
  text = "";
  end: string | null = null;
  /** All that came. */
  raw = "";
  readonly events: Json[] = [];

  constructor(private readonly api: Api, private readonly choice = 0) {}

  hear(bytes: Uint8Array): void {
    const came = decoder.decode(bytes);
    this.raw += came;
    for (const block of came.split("\n\n")) {
      const line = block.split("\n").find((one) => one.startsWith("data: "));
      if (line === undefined || line === "data: [DONE]") continue;
      const data = JSON.parse(line.slice(6));
      this.events.push(data);
      this.#take(data);
    }
  }

  #take(data: Json): void {
    switch (this.api) {
      case "chat":
      case "completions":
        for (const { index, delta, text, finish_reason: end } of data.choices) {
          if (index !== this.choice) continue;
          this.text += delta?.content ?? text ?? "";
          this.end = end ?? this.end;
        }
        return;
      case "responses":
        if (data.type === "response.output_text.delta") this.text += data.delta;
        if (data.type === "response.incomplete" || data.type === "response.completed") {
          this.end = data.response.incomplete_details?.reason ?? "completed";
        }
        return;
      case "messages":
        this.text += data.delta?.text ?? "";
        if (data.type === "message_delta") this.end = data.delta.stop_reason;
    }
  }
}

/** The same of a body. */
export function heardOf(api: Api, bytes: Uint8Array): Heard {
  const body: Json = JSON.parse(decoder.decode(bytes));
  switch (api) {
    case "chat": {
      const [{ message, finish_reason: end }] = body.choices;
      return { text: message.content, end };
    }
    case "completions": {
      const [{ text, finish_reason: end }] = body.choices;
      return { text, end };
    }
    case "responses": {
      const parts = body.output.flatMap((item: Json) => item.content ?? []);
      const text = parts.map((part: Json) => part.text).join("");
      return { text, end: body.incomplete_details?.reason ?? body.status };
    }
    case "messages":
      return {
        text: body.content.map((block: Json) => block.text).join(""),
        end: body.stop_reason,
      };
  }
}

/** The word that an answer ends with where policies end it. */
export const CUT: Readonly<Record<Api, string>> = {
  chat: "content_filter",
  completions: "content_filter",
  responses: "content_filter",
  messages: "refusal",
};
