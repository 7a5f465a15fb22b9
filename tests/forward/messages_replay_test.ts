// A second run of a message whose first instance closed the block that it was in as it was told to stop.

import assert from "node:assert/strict";
import { MessagesReplay } from "../../lib/forward/resume/replay_messages.ts";
import { parseEvents } from "../../lib/sse/parse.ts";

const encoder = new TextEncoder();
type Event = { type: string; index?: number; [field: string]: unknown };

const start = (index: number, content_block: object): Event => ({
  type: "content_block_start",
  index,
  content_block,
});
const delta = (index: number, delta: object): Event => ({
  type: "content_block_delta",
  index,
  delta,
});
const stop = (index: number): Event => ({ type: "content_block_stop", index });
const text = (index: number, text: string) => delta(index, { type: "text_delta", text });
const EMPTY = { type: "text", text: "" };
const CALL = { type: "tool_use", id: "t", name: "f", input: {} };
const END: Event[] = [
  { type: "message_delta", delta: { stop_reason: "end_turn" } },
  { type: "message_stop" },
];

/** What the client gets of the second run; "disagrees" where that is none of its answer. */
function replayed(sent: Event[], again: Event[]): Event[] | "disagrees" {
  const bytes = (event: Event) =>
    encoder.encode(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  const replay = new MessagesReplay(sent.map(bytes));
  const heard: Event[] = [];
  for (const event of again) {
    const mended = replay.event(JSON.stringify(event), event.type);
    if (mended === "disagrees") return mended;
    for (const { event: name, data } of parseEvents(encoder.encode(mended ?? ""))) {
      heard.push(JSON.parse(data));
      assert.equal(name, heard.at(-1)!.type);
    }
  }
  return heard;
}

Deno.test("the rest of a text whose block was closed goes on in the next block", () => {
  const sent = [start(0, EMPTY), text(0, "It is"), stop(0)];
  const again = [start(0, EMPTY), text(0, "It"), text(0, " is 4"), text(0, "2."), stop(0)];
  const rest = [start(1, EMPTY), text(1, " 4"), text(1, "2."), stop(1)];
  assert.deepEqual(replayed(sent, [...again, ...END]), [...rest, ...END]);
  const call = (index: number) => [start(index, CALL), stop(index)];
  assert.deepEqual(replayed(sent, [...again, ...call(1), ...END]), [...rest, ...call(2), ...END]);
});

Deno.test("a block that was closed at its end stays closed", () => {
  const sent = [start(0, EMPTY), text(0, "It is"), stop(0)];
  assert.deepEqual(replayed(sent, [...sent, ...END]), END);
});

Deno.test("a closed block that is not the last one, or holds no text, agrees or does not", () => {
  const sent = [start(0, EMPTY), text(0, "It is"), stop(0), start(1, CALL)];
  assert.equal(replayed(sent, [start(0, EMPTY), text(0, "It is 42")]), "disagrees");
  const json = (partial_json: string) => delta(0, { type: "input_json_delta", partial_json });
  const call = [start(0, CALL), json('{"a"'), stop(0)];
  assert.equal(replayed(call, [start(0, CALL), json('{"a":1}')]), "disagrees");
});
