// What a choice has said in all, for answers that leave whole.

import type { chatLogprob } from "./logprobs.ts";
import type { Step } from "./step.ts";

/** What a choice has said so far. */
export interface Said {
  content: string;
  reasoning: string;
  calls: { name: string; arguments: string }[];
  finish: string | null;
  stopReason: string | number | null;
  logprobs: ReturnType<typeof chatLogprob>[];
}

/** Nothing said yet. */
export function nothingSaid(): Said {
  return { content: "", reasoning: "", calls: [], finish: null, stopReason: null, logprobs: [] };
}

/** Adds a step to what was said. */
export function say(said: Said, step: Step, named: boolean): void {
  for (const call of step.calls) {
    if (call.name !== null) said.calls.push({ name: call.name, arguments: "" });
    said.calls[said.calls.length - 1].arguments += call.arguments;
  }
  said.reasoning += step.reasoning;
  said.content += step.content;
  if (step.finish) {
    said.finish = finishReason(step, said.calls.length > 0, named);
    said.stopReason = step.stopReason;
  }
}

/** The reason as chat has it: calls that were the model's own choice end with "tool_calls". */
export function finishReason(step: Step, calls: boolean, named: boolean): string | null {
  return step.finish === "stop" && calls && !named ? "tool_calls" : step.finish;
}
