// /v1/responses: created, streamed as events, read again and cancelled. What is stored lives in the
// memory of the one instance that made it, as in vLLM.

import { answerChat, type Counts } from "./answer.ts";
import type { Engine } from "./engine.ts";
import { ApiError, badParameter, invalidBody } from "./errors.ts";
import { EventStream } from "./event_stream.ts";
import { type Exchange, type Json, sendJson } from "./exchange.ts";
import type { Said } from "./said.ts";
import type { Step } from "./step.ts";
import { type ChatMessage, contentText } from "./template.ts";

/** Responses kept at most; the oldest go first. */
const STORED = 1000;

interface Stored {
  response: Json;
  /** The conversation up to and with the answer, for previous_response_id. */
  messages: ChatMessage[];
  cancel: () => void;
}

/** The stored responses of one instance. */
export class Responses {
  #stored = new Map<string, Stored>();

  /** GET /v1/responses/{id}. Throws ApiError 404. */
  read(exchange: Exchange, id: string): void {
    sendJson(exchange, this.#find(id).response);
  }

  /** POST /v1/responses/{id}/cancel. Throws ApiError 404, or 400 when there is nothing to cancel. */
  cancel(exchange: Exchange, id: string): void {
    const stored = this.#find(id);
    if (stored.response.status !== "in_progress" && stored.response.status !== "queued") {
      throw badParameter("Cannot cancel a synchronous response.", "response_id");
    }
    stored.cancel();
    stored.response = { ...stored.response, status: "cancelled" };
    sendJson(exchange, stored.response);
  }

  forget(): void {
    this.#stored.clear();
  }

  /** POST /v1/responses. Throws ApiError before anything was sent. */
  create(exchange: Exchange, engine: Engine, body: Json): void {
    const id = `resp_${exchange.id}`;
    const background = body.background === true;
    if (background && body.store === false) {
      throw badParameter("background can only be used when `store` is true", "background");
    }
    const messages = [...this.#earlier(body), ...readInput(body)];
    if (messages.length === 0) throw invalidBody("missing", "input", "Field required");
    const base = begun(id, body, engine.model);
    const stored: Stored = { response: base, messages, cancel: () => {} };
    let items: Items | null = null;
    // A background response goes on without its client, so its tokens are not sent to anyone.
    const alone = background ? detached(exchange) : null;
    const generation = answerChat(
      alone?.exchange ?? exchange,
      engine,
      chatBody(body, messages),
      () => {
        if (body.stream !== true || background) return null;
        const events = new EventStream(
          exchange,
          engine.options,
          (error) => items?.error(error) ?? "",
        );
        const written = items = new Items(events, id);
        return {
          events,
          listener: {
            started: () => written.begin(base),
            tokens: (step) => written.tokens(step),
            // vLLM has no event for it here: the connection breaks off.
            failed: () => events.cut(),
          },
        };
      },
      (said, counts) => {
        alone?.finish();
        const output = items ? items.output() : outputOf(said, id);
        stored.response = { ...base, ...ending(said), output, usage: usageOf(counts, said) };
        stored.messages = [...messages, {
          role: "assistant",
          content: said.content,
          tool_calls: said.calls.map((call) => ({ function: call })),
        }];
        if (items) items.end(stored.response);
        else if (!background) sendJson(exchange, stored.response);
      },
    );
    stored.cancel = () => {
      generation.cancel();
      alone?.finish();
    };
    if (!background) {
      exchange.reply.onAbort(() => {
        stored.response = { ...stored.response, status: "cancelled" };
      });
    }
    if (body.store !== false) this.#store(id, stored);
    if (background) {
      sendJson(exchange, { ...stored.response, status: "queued", output: [], usage: null });
    }
  }

  #find(id: string): Stored {
    const stored = this.#stored.get(id);
    if (!stored) {
      throw new ApiError(
        404,
        "invalid_request_error",
        `Response with id '${id}' not found.`,
        "response_id",
      );
    }
    return stored;
  }

  #earlier(body: Json): ChatMessage[] {
    const id = body.previous_response_id;
    return typeof id === "string" ? this.#find(id).messages : [];
  }

  #store(id: string, stored: Stored): void {
    this.#stored.set(id, stored);
    if (this.#stored.size > STORED) this.#stored.delete(this.#stored.keys().next().value!);
  }
}

/** The exchange without its client: what is generated for it ends with `finish`. */
function detached(exchange: Exchange): { exchange: Exchange; finish: () => void } {
  const callbacks: (() => void)[] = [];
  const reply = Object.create(exchange.reply) as Exchange["reply"];
  Object.defineProperties(reply, {
    onAbort: { value: () => {} },
    onFinish: { value: (callback: () => void) => callbacks.push(callback) },
    backlogged: { value: false },
  });
  return {
    exchange: { ...exchange, reply },
    finish: () => callbacks.splice(0).forEach((callback) => callback()),
  };
}

function chatBody(body: Json, messages: ChatMessage[]): Json {
  const instructions = body.instructions;
  const choice = body.tool_choice as Json | string | undefined;
  return {
    messages: typeof instructions === "string"
      ? [{ role: "system", content: instructions }, ...messages]
      : messages,
    tools: Array.isArray(body.tools) && body.tools.length > 0
      ? body.tools.map(chatTool)
      : undefined,
    tool_choice: typeof choice === "object"
      ? { type: "function", function: { name: choice.name } }
      : choice,
    max_tokens: body.max_output_tokens,
    temperature: body.temperature,
    top_p: body.top_p,
  };
}

/** Only functions have the form that chat has. */
function chatTool({ type, ...rest }: Json): Json {
  return type === "function" ? { type, function: rest } : { type, ...rest };
}

/** The input as chat messages. Throws ApiError 400. */
function readInput(body: Json): ChatMessage[] {
  const { input } = body;
  if (input === undefined) throw invalidBody("missing", "input", "Field required");
  if (typeof input === "string") return [{ role: "user", content: input }];
  if (!Array.isArray(input)) {
    throw invalidBody("list_type", "input", "Input should be a valid list");
  }
  const messages: ChatMessage[] = [];
  for (const item of input as Json[]) {
    if (item.type === "function_call_output") {
      messages.push({ role: "tool", content: contentText(item.output) });
    } else if (item.type === "function_call") {
      const call = { function: { name: String(item.name), arguments: item.arguments } };
      const last = messages.at(-1);
      // What the model says in one turn is one message.
      if (last?.role === "assistant") last.tool_calls = [...last.tool_calls ?? [], call];
      else messages.push({ role: "assistant", content: "", tool_calls: [call] });
    } else if (item.type !== "reasoning" && typeof item.role === "string") {
      messages.push({ role: item.role, content: contentText(item.content) });
    }
  }
  return messages;
}

function ending(said: Said): Json {
  if (said.finish === "length") {
    return { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } };
  }
  // An aborted response is "completed" to vLLM, with whatever was said.
  return { status: "completed" };
}

function usageOf(counts: Counts, said: Said): Json {
  return {
    input_tokens: counts.prompt,
    input_tokens_details: { cached_tokens: counts.cached },
    output_tokens: counts.completion,
    output_tokens_details: { reasoning_tokens: said.reasoning === "" ? 0 : 1 },
    total_tokens: counts.prompt + counts.completion,
  };
}

function reasoningItem(id: string, text: string, status: string): Json {
  return {
    type: "reasoning",
    id,
    summary: [],
    content: [{ type: "reasoning_text", text }],
    status,
  };
}

function textPart(text: string): Json {
  return { type: "output_text", text, annotations: [], logprobs: null };
}

function part(name: string, text: string): Json {
  return name === "message" ? textPart(text) : { type: "reasoning_text", text };
}

function messageItem(id: string, text: string, status: string): Json {
  return { type: "message", id, role: "assistant", status, content: [textPart(text)] };
}

function callItem(id: string, index: number, name: string, given: string, status: string): Json {
  const suffix = id.replace(/\W/g, "") + index;
  return {
    type: "function_call",
    id: `fc_${suffix}`,
    call_id: `call_${suffix}`,
    name,
    arguments: given,
    status,
  };
}

function outputOf(said: Said, id: string): Json[] {
  const output: Json[] = [];
  if (said.reasoning) output.push(reasoningItem(`rs_${id}`, said.reasoning, "completed"));
  if (said.content) output.push(messageItem(`msg_${id}`, said.content, "completed"));
  said.calls.forEach((call, index) =>
    output.push(callItem(id, index, call.name, call.arguments, "completed"))
  );
  return output;
}

/** Writes the items of a streamed response. */
class Items {
  #sequence = 0;
  #done: Json[] = [];
  #open: { name: string; text: string; call: { index: number; name: string } | null } | null = null;

  constructor(private readonly events: EventStream, private readonly id: string) {}

  begin(response: Json): void {
    this.#send("response.created", { response });
    this.#send("response.in_progress", { response });
  }

  tokens(step: Step): void {
    if (step.reasoning !== "") {
      this.#begin("reasoning", null);
      this.#delta("reasoning_text", step.reasoning, { content_index: 0 });
    }
    if (step.content !== "") {
      this.#begin("message", null);
      this.#delta("output_text", step.content, { content_index: 0, logprobs: [] });
    }
    for (const { index, name, arguments: given } of step.calls) {
      if (name !== null) this.#begin("call", { index, name });
      if (given !== "") this.#delta("function_call_arguments", given, {});
    }
  }

  /** The event of an error in the middle. */
  error(error: ApiError): string {
    const { message, status } = error;
    const event = { type: "error", code: String(status), message, param: null };
    const data = JSON.stringify({ ...event, sequence_number: this.#sequence++ });
    return `event: error\ndata: ${data}\n\n`;
  }

  output(): Json[] {
    this.#close();
    return this.#done;
  }

  end(response: Json): void {
    // What max_output_tokens cut off is "completed" to vLLM too; the status says more.
    this.#send("response.completed", { response });
    this.events.end();
  }

  #item(status: string): Json {
    const { name, text, call } = this.#open!;
    if (name === "call") return callItem(this.id, call!.index, call!.name, text, status);
    if (name === "message") return messageItem(`msg_${this.id}`, text, status);
    return reasoningItem(`rs_${this.id}`, text, status);
  }

  #begin(name: string, call: { index: number; name: string } | null): void {
    if (this.#open?.name === name && name !== "call") return;
    this.#close();
    this.#open = { name, text: "", call };
    const item = this.#item("in_progress");
    const output_index = this.#done.length;
    this.#send("response.output_item.added", {
      output_index,
      item: name === "call" ? item : { ...item, content: [] },
    });
    if (name !== "call") {
      this.#send("response.content_part.added", {
        item_id: item.id,
        output_index,
        content_index: 0,
        part: { ...part(name, ""), ...name === "message" ? { logprobs: [] } : {} },
      });
    }
  }

  #delta(kind: string, text: string, more: Json): void {
    this.#open!.text += text;
    const where = { item_id: this.#item("in_progress").id, output_index: this.#done.length };
    this.#send(`response.${kind}.delta`, { ...where, delta: text, ...more });
  }

  #close(): void {
    if (!this.#open) return;
    const { name, text } = this.#open;
    const item = this.#item("completed");
    const where = { item_id: item.id, output_index: this.#done.length };
    if (name === "call") {
      this.#send("response.function_call_arguments.done", {
        ...where,
        name: item.name,
        arguments: text,
      });
    } else {
      const kind = name === "message" ? "output_text" : "reasoning_text";
      const more = name === "message" ? { logprobs: [] } : {};
      this.#send(`response.${kind}.done`, { ...where, content_index: 0, text, ...more });
    }
    if (name !== "call") {
      this.#send("response.content_part.done", {
        ...where,
        content_index: 0,
        part: part(name, text),
      });
    }
    this.#send("response.output_item.done", { output_index: this.#done.length, item });
    this.#done.push(item);
    this.#open = null;
  }

  #send(type: string, data: Json): void {
    const event = { type, sequence_number: this.#sequence++, ...data };
    this.events.send(`event: ${type}\ndata: ${JSON.stringify(event)}\n\n`);
  }
}

/** A response as it is before anything of it was said. */
function begun(id: string, body: Json, model: string) {
  return {
    id,
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    model: body.model ?? model,
    status: "in_progress",
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    metadata: body.metadata ?? null,
    output: [] as Json[],
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    temperature: body.temperature ?? 0,
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_p: body.top_p ?? 1,
    max_output_tokens: body.max_output_tokens ?? null,
    background: body.background === true,
    service_tier: "auto",
    text: body.text ?? null,
    truncation: "disabled",
    usage: null as Json | null,
    user: body.user ?? null,
  };
}
