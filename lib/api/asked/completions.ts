// The conversation in a text completions request: the prompt as the user's message.

import type { Json } from "../../json/json.ts";
import type { Asked } from "./conversation.ts";

/** `choice` is the index of the answer: each prompt of a list has `n` answers in a row. */
export function askedByCompletions(body: Json, choice: number): Asked {
  const prompt = promptOf(body, choice);
  const asked: Asked = { messages: [], tools: [], prefilled: false, echoed: body.echo === true };
  if (typeof prompt === "string") {
    return { ...asked, messages: [{ role: "user", content: prompt }] };
  }
  if (Array.isArray(prompt)) {
    // Nothing here knows the words: the ids are kept as they are.
    const content = JSON.stringify(prompt);
    return { ...asked, messages: [{ role: "user", content }], echoed: false, tokenIds: true };
  }
  return { ...asked, unusable: "the prompt is no text" };
}

function promptOf(body: Json, choice: number): unknown {
  const { prompt } = body;
  if (!Array.isArray(prompt) || typeof prompt[0] === "number") return prompt;
  const n = typeof body.n === "number" && body.n > 0 ? body.n : 1;
  return prompt[Math.floor(choice / n)];
}
