// Chunks of a second stream under the names of the first.

import type { Answer } from "../../sse/assemble/answer.ts";
import type { Json } from "../../json/json.ts";

/** The first stream's name and time on a chunk of the second. */
export function adopt(chunk: Json, first: Answer): Json {
  const adopted: Json = { ...chunk, id: first.id };
  if (first.created !== null) adopted.created = first.created;
  if (first.model !== "") adopted.model = first.model;
  delete adopted.prompt_token_ids;
  return adopted;
}

/** A chunk as an event. */
export function line(value: Json): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** Whether a field of a delta says anything. */
export function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "" &&
    !(Array.isArray(value) && value.length === 0);
}

/** A second role would begin a second message. */
export function withoutRole(choice: Json): Json {
  const { delta } = choice;
  if (typeof delta !== "object" || delta === null || !("role" in delta)) return choice;
  const { role: _, ...rest } = delta as Json;
  return { ...choice, delta: rest };
}
