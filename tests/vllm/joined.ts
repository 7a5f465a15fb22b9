// A stream of events without where its events were cut: vLLM puts tokens that wait into one event where it is
// late, so that two streams of one answer differ by themselves on a busy machine.

import { eventsOf } from "../support/sse.ts";

/** Fields that a stream tells piece by piece. */
const PIECES = new Set([
  ...["content", "reasoning", "text", "delta", "thinking", "partial_json", "arguments"],
  ...["token_ids", "tokens", "token_logprobs", "top_logprobs", "text_offset"],
]);
/** Counted anew with each event. */
const COUNTS = new Set(["sequence_number", "usage"]);

/** Which events there are, each once, and the whole of what they tell. */
export function joined(stream: string): string {
  const shapes = new Set<string>();
  const wholes = new Map<string, string>();
  const counts = new Map<string, string>();
  for (const data of eventsOf(stream)) {
    if (data === "[DONE]") {
      shapes.add(data);
      continue;
    }
    const event = JSON.parse(data);
    const of = `${event.type ?? ""} ${event.choices?.[0]?.index ?? event.index ?? ""}`;
    shapes.add(JSON.stringify(event, (key, value) => {
      const isWhole = typeof value === "string" || Array.isArray(value);
      if (PIECES.has(key) && isWhole) {
        const pieces = typeof value === "string" ? value : value.map((one) => JSON.stringify(one));
        const name = `${of} ${key} ${typeof value}`;
        wholes.set(name, (wholes.get(name) ?? "") + pieces);
        return "PIECES";
      }
      // The last event has a piece or none.
      if (key === "delta" && Object.keys(value).length === 0) return { content: "PIECES" };
      if (!COUNTS.has(key)) return value;
      counts.set(`${of} ${key}`, JSON.stringify(value));
      return "COUNT";
    }));
  }
  return [...shapes, ...[...wholes].flat(), JSON.stringify(counts.get(" ") ?? null)].join("\n");
}
