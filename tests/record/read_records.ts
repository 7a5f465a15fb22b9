// Records of samples, read as the programs that load them would.

import assert from "node:assert/strict";
import type { Capture } from "../../lib/record/capture.ts";
import { type RecordFormat, recordsOf } from "../../lib/record/record.ts";
import { dialects } from "../../lib/api/dialects.ts";
import { assemble } from "../../lib/sse/assemble/assemble.ts";
import type { EventStore } from "../../lib/sse/event_store.ts";
import { capture } from "./samples.ts";

// deno-lint-ignore no-explicit-any -- tests look into many shapes
export type Line = Record<string, any>;

export function records(
  request: object,
  response: object | EventStore | null,
  more: Partial<Capture> = {},
  format: RecordFormat = "sharegpt",
): { complete: boolean; lines: Line[] } {
  const made = capture(request, response, more);
  return recordsOf(made, assemble(dialects[made.api].assembler(), made.response), format);
}

export const metaOf = (line: Line) => JSON.parse(line.meta);

/** The turns of a complete record, having passed LLaMA-Factory's rules. */
export function turns(request: object, response: object, more: Partial<Capture> = {}): string[][] {
  const { complete, lines } = records(request, response, more);
  assert.equal(complete, true);
  loadsInLlamaFactory(lines[0]);
  return lines[0].conversations.map((turn: Line) => [turn.from, turn.value]);
}

/** One system turn in front at most; sides alternate; an answer at the end; calls and tools parse. */
export function loadsInLlamaFactory(record: Line): void {
  const all = record.conversations as { from: string; value: string }[];
  const rest = all[0].from === "system" ? all.slice(1) : all;
  assert.ok(rest.length >= 2 && rest.length % 2 === 0, JSON.stringify(all));
  rest.forEach(({ from, value }, at) => {
    const accepted = at % 2 === 0 ? ["human", "observation"] : ["gpt", "function_call"];
    assert.ok(accepted.includes(from), `${from} at place ${at + 1}`);
    assert.equal(typeof value, "string");
    if (from !== "function_call") return;
    const calls = [JSON.parse(value.replace(/<think>\n[\s\S]*?\n<\/think>\n\n/, ""))].flat();
    for (const call of calls) {
      assert.equal(typeof call.name, "string");
      assert.ok("arguments" in call);
    }
  });
  if (record.tools === "") return;
  for (const tool of JSON.parse(record.tools)) {
    assert.equal(typeof tool.function.name, "string");
    assert.equal(typeof tool.function.parameters, "object");
  }
}

export const user = (content: unknown) => ({ role: "user", content });
export const assistant = (content: unknown, more = {}) => ({ role: "assistant", content, ...more });
export const called = (...calls: [string, string][]) => ({
  tool_calls: calls.map(([name, given], at) => ({
    id: `c${at}`,
    type: "function",
    function: { name, arguments: given },
  })),
});
