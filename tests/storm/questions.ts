// What the storm asks, and what each answer must be word for word: a simulated instance answers a prompt
// at temperature 0 always the same, whichever instance it is.

import { chatText, readSse, type SseAnswer } from "../support/sse.ts";

export interface Question {
  path: string;
  body: Record<string, unknown>;
}

const TOOL = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } } },
  },
};

/** Question `number`: most are chat streams, some of every other kind. */
export function question(number: number, tokens: number): Question {
  const text = `question ${number % 40}: tell me what you know`;
  const common = { model: "demo", temperature: 0, max_tokens: tokens, stream: true };
  const messages = [{ role: "user", content: text }];
  switch (number % 20) {
    case 3:
    case 13:
      return { path: "/v1/completions", body: { ...common, prompt: text } };
    case 7:
      return { path: "/v1/messages", body: { ...common, messages } };
    case 11:
      return { path: "/v1/chat/completions", body: { ...common, stream: false, messages } };
    case 17:
      return {
        path: "/v1/chat/completions",
        body: { ...common, messages, tools: [TOOL], tool_choice: "required" },
      };
    default:
      return {
        path: "/v1/chat/completions",
        body: { ...common, messages, stream_options: { include_usage: true } },
      };
  }
}

export type Outcome =
  | { kind: "answer"; text: string }
  /** An error status, or an error event in place of an answer. */
  | { kind: "failed"; why: string }
  /** Begun and not ended. */
  | { kind: "truncated"; why: string };

/** Reads a response to its end. Two finishes, roles or ids in one answer show in its text. */
export async function readOutcome({ path, body }: Question, response: Response): Promise<Outcome> {
  if (!response.ok) return { kind: "failed", why: `${response.status} ${await response.text()}` };
  if (body.stream === false) {
    const { choices } = await response.json();
    return {
      kind: "answer",
      text: JSON.stringify([choices[0].message.content, choices[0].finish_reason]),
    };
  }
  const answer = await readSse(response);
  if (answer.error !== null) return { kind: "truncated", why: String(answer.error) };
  const fault = answer.json.find((event) => event.error !== undefined);
  if (fault !== undefined) return { kind: "truncated", why: JSON.stringify(fault) };
  if (path === "/v1/messages") return messagesOutcome(answer);
  if (!answer.done) return { kind: "truncated", why: "no [DONE]" };
  const choices = answer.json.flatMap((chunk) => chunk.choices);
  const said = path === "/v1/completions" ? choices.map((choice) => choice.text ?? "").join("") : [
    chatText(answer).content,
    chatText(answer).toolCalls.map(({ name, arguments: given }) => [name, given]),
  ];
  return {
    kind: "answer",
    text: JSON.stringify([
      said,
      choices.map((choice) => choice.finish_reason).filter(Boolean),
      new Set(answer.json.map((chunk) => chunk.id)).size,
      choices.filter((choice) => choice.delta?.role).length,
      answer.json.findLast((chunk) => chunk.usage)?.usage?.completion_tokens,
    ]),
  };
}

function messagesOutcome(answer: SseAnswer): Outcome {
  if (answer.json.at(-1)?.type !== "message_stop") {
    return { kind: "truncated", why: "no message_stop" };
  }
  const kinds = answer.json.map((event) => event.type).filter((type, at, all) =>
    type !== "ping" && type !== all[at - 1]
  );
  const text = answer.json.map((event) => event.delta?.text ?? "").join("");
  return { kind: "answer", text: JSON.stringify([text, kinds]) };
}
