// What the clients of the storm ask: requests of every kind, no two alike, so that each answer and each
// record can be told from all others.

import type { Random } from "../fuzz/random.ts";

export type Api = "chat" | "completions" | "messages";

/** A request. */
export interface Question {
  /** Sent as x-request-id, found again in the record. */
  id: string;
  api: Api;
  path: string;
  stream: boolean;
  /** JSON, as sent. */
  body: string;
}

const PATHS: Record<Api, string> = {
  chat: "/v1/chat/completions",
  completions: "/v1/completions",
  messages: "/v1/messages",
};

const TOPICS = ["the sea", "北京的秋天", "bread & butter", "a short proof", "Zürich", "old maps"];

const PARAMETERS = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" }, note: { type: "string" } },
};

/** The `number`th request of a storm; `random` says of which kind it is. */
export function question(number: number, random: Random, model: string): Question {
  const id = `storm-${number}`;
  const dice = random.below(100);
  const api: Api = dice < 60 ? "chat" : dice < 80 ? "completions" : "messages";
  const stream = random.below(100) < 85;
  // A third of those who bring a tool ask for something else, so that the answer is text.
  const tools = api !== "completions" && random.below(100) < 25;
  const calls = tools && !random.once(3);
  const text = `Question ${number}: ${calls ? "ask get_weather about" : "tell me more about"} ${
    random.pick(TOPICS)
  }.`;
  const body: Record<string, unknown> = { model, stream, temperature: 0 };
  if (api === "completions") {
    body.prompt = text;
    body.max_tokens = 40 + random.below(40);
  } else {
    body.messages = [{ role: "user", content: text }];
    body.max_tokens = random.once(4) ? 30 + random.below(20) : 200;
    if (random.once(3)) {
      if (api === "chat") (body.messages as unknown[]).unshift(system);
      else body.system = system.content;
    }
  }
  if (tools) body.tools = [api === "chat" ? chatTool : messagesTool];
  if (stream && api !== "messages") body.stream_options = { include_usage: true };
  return { id, api, path: PATHS[api], stream, body: JSON.stringify(body) };
}

const system = { role: "system", content: "Answer in a few plain words." };
const description = "The weather of a city";
const chatTool = {
  type: "function",
  function: { name: "get_weather", description, parameters: PARAMETERS },
};
const messagesTool = { name: "get_weather", description, input_schema: PARAMETERS };
