// A small SSE client over fetch for tests: events in the order they come, with the way it ended.
// Nothing of the gateway's own SSE code is used, so that both can be wrong only independently.

/** One event: `data` is null-free text; `json` is what it parses to, or undefined. */
export interface SseEvent {
  event: string | null;
  data: string;
  /** Milliseconds since the reading began. */
  atMs: number;
}

/** The events of a response body as they come; rejects as the body does when it is cut. */
export async function* sseEvents(response: Response): AsyncGenerator<SseEvent> {
  const started = performance.now();
  let rest = "";
  if (!response.body) return;
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    rest += text;
    for (;;) {
      const end = /\r?\n\r?\n/.exec(rest);
      if (!end) break;
      const event = parse(rest.slice(0, end.index), performance.now() - started);
      rest = rest.slice(end.index + end[0].length);
      if (event) yield event;
    }
  }
}

function parse(block: string, atMs: number): SseEvent | null {
  let event: string | null = null;
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    else if (line.startsWith("event:")) event = line.slice(6).trim();
  }
  return data.length === 0 ? null : { event, data: data.join("\n"), atMs };
}

/** A whole SSE answer. */
export interface SseAnswer {
  status: number;
  events: SseEvent[];
  /** The error that the body ended with, or null after a proper end. */
  error: Error | null;
  /** True when `[DONE]` came. */
  done: boolean;
  /** Each event's data parsed, `[DONE]` and what is no JSON left out. */
  // deno-lint-ignore no-explicit-any -- tests look into many shapes
  json: any[];
}

/** Reads a response to its end, proper or not. */
export async function readSse(response: Response): Promise<SseAnswer> {
  const answer: SseAnswer = {
    status: response.status,
    events: [],
    error: null,
    done: false,
    json: [],
  };
  try {
    for await (const event of sseEvents(response)) {
      answer.events.push(event);
      if (event.data === "[DONE]") answer.done = true;
      else {
        try {
          answer.json.push(JSON.parse(event.data));
        } catch (error) {
          // A malformed event is a case under test: it stays in `events`.
          if (!(error instanceof SyntaxError)) throw error;
        }
      }
    }
  } catch (error) {
    answer.error = error instanceof Error ? error : new Error(String(error));
  }
  return answer;
}

/** A chat answer put together from its chunks, for choice `index`. */
export interface ChatText {
  content: string;
  reasoning: string;
  toolCalls: { id: string; name: string; arguments: string }[];
  finishReason: string | null;
  tokenIds: number[];
  promptTokenIds: number[] | null;
}

/** Puts the chunks of a chat or completion stream together. */
export function chatText(answer: SseAnswer, index = 0): ChatText {
  const text: ChatText = {
    content: "",
    reasoning: "",
    toolCalls: [],
    finishReason: null,
    tokenIds: [],
    promptTokenIds: null,
  };
  for (const chunk of answer.json) {
    text.promptTokenIds ??= chunk.prompt_token_ids ?? null;
    for (const choice of chunk.choices ?? []) {
      if (choice.index !== index) continue;
      text.promptTokenIds ??= choice.prompt_token_ids ?? null;
      text.content += choice.delta?.content ?? choice.text ?? "";
      text.reasoning += choice.delta?.reasoning ?? choice.delta?.reasoning_content ?? "";
      text.finishReason = choice.finish_reason ?? text.finishReason;
      text.tokenIds.push(...choice.token_ids ?? []);
      for (const call of choice.delta?.tool_calls ?? []) {
        const whole = text.toolCalls[call.index] ??= { id: "", name: "", arguments: "" };
        whole.id += call.id ?? "";
        whole.name += call.function?.name ?? "";
        whole.arguments += call.function?.arguments ?? "";
      }
    }
  }
  return text;
}

/** The data of each event of an SSE body. */
export function eventsOf(text: string): string[] {
  return text.split(/\r?\n\r?\n/).map((event) =>
    event.split(/\r?\n/).filter((line) => line.startsWith("data:"))
      .map((line) => line.slice(5).trimStart()).join("\n")
  ).filter((data) => data !== "");
}
