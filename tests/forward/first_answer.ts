// What a client has of an answer that broke off, for tests of what goes on from there.

import type { Sent } from "../../lib/forward/resume/plan.ts";

/** One choice, with this text so far. */
export function firstAnswer(content: string): Sent["answer"] {
  return {
    choices: [{ index: 0, message: { role: "assistant", content }, finishReason: null }],
    usage: null,
    id: "first",
    model: "m",
    created: 1,
    malformed: 0,
    complete: false,
  };
}
