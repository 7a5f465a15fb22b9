// What a client sees of a stream whose usage it did not ask for, and what is known of it, for any cut into
// pieces: an event for each piece goes a shorter way than events that are cut in two.

import assert from "node:assert/strict";
import { NullKeeper } from "../../lib/forward/hidden_usage.ts";
import { TokenIds } from "../../lib/forward/resume/token_ids.ts";
import { EventStore } from "../../lib/sse/event_store.ts";
import { SseObserver } from "../../lib/sse/observer.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const TOKENS = 12;
const USAGE = { prompt_tokens: 3, completion_tokens: TOKENS, total_tokens: 3 + TOKENS };

interface Style {
  /** The server tells token ids. */
  ids: boolean;
  /** It writes `usage: null` into each event. */
  nulls: "none" | "last" | "first";
  /** Its figures come with the event of the finish, not by themselves. */
  beside: boolean;
}

/** The events as the server sends them, and those that the client is to see. */
function streamOf({ ids, nulls, beside }: Style): { sent: string[]; seen: string[] } {
  const sent: string[] = [];
  const seen: string[] = [];
  const event = (fields: string, list: readonly number[], figures: string | null = null) => {
    const write = (tokenIds: string | null, usage: string | null) => {
      const tail = tokenIds === null ? "" : `,"token_ids":${tokenIds}`;
      const [first, last] = usage === null
        ? ["", ""]
        : nulls === "first"
        ? [`"usage":${usage},`, ""]
        : ["", `,"usage":${usage}`];
      return `data: {${first}"id":"c","choices":[{"index":0,${fields}${tail}}]${last}}\n\n`;
    };
    const usage = figures ?? (nulls === "none" ? null : "null");
    sent.push(write(ids ? JSON.stringify(list) : null, usage));
    seen.push(write(ids ? "null" : null, figures));
  };
  event('"delta":{"role":"assistant","content":""},"finish_reason":null', []);
  for (let token = 1; token <= TOKENS; token++) {
    event(`"delta":{"content":" w${token}"},"finish_reason":null`, [token * 1000]);
  }
  event('"delta":{},"finish_reason":"stop"', [], beside ? JSON.stringify(USAGE) : null);
  if (!beside) sent.push(`data: {"id":"c","choices":[],"usage":${JSON.stringify(USAGE)}}\n\n`);
  sent.push("data: [DONE]\n\n");
  seen.push("data: [DONE]\n\n");
  return { sent, seen };
}

function pass(pieces: readonly Uint8Array[], { ids, nulls }: Style) {
  const tokenIds = ids ? new TokenIds(false) : null;
  const keeper = new NullKeeper(tokenIds, nulls !== "none");
  const reader = new SseObserver(true, 1, new EventStore(1 << 20), keeper, true);
  const seen = pieces.map((piece) => decoder.decode(reader.take(piece.slice()))).join("");
  return { seen, reader, tokenIds };
}

function* cuts(events: readonly string[]): Generator<[string, Uint8Array[]]> {
  const whole = encoder.encode(events.join(""));
  yield ["an event each", events.map((event) => encoder.encode(event))];
  yield ["two events each", pairs(events)];
  for (const size of [1, 7, 64, 200, whole.length]) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at += size) pieces.push(whole.subarray(at, at + size));
    yield [`${size} bytes each`, pieces];
  }
  // Some events by themselves, so that the short way begins, is left, and begins again.
  for (const every of [3, 4, 5]) {
    const pieces: Uint8Array[] = [];
    events.forEach((event, index) => {
      const bytes = encoder.encode(event);
      if (index % every !== every - 1) pieces.push(bytes);
      else pieces.push(bytes.subarray(0, 40), bytes.subarray(40));
    });
    yield [`each ${every}th in two`, pieces];
  }
}

function pairs(events: readonly string[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < events.length; at += 2) {
    pieces.push(encoder.encode(events.slice(at, at + 2).join("")));
  }
  return pieces;
}

for (const ids of [true, false]) {
  for (const nulls of ["none", "last", "first"] as const) {
    for (const beside of [true, false]) {
      const style: Style = { ids, nulls, beside };
      Deno.test(`usage that was not asked for is not seen: ${JSON.stringify(style)}`, () => {
        const { sent, seen } = streamOf(style);
        for (const [name, pieces] of cuts(sent)) {
          const got = pass(pieces, style);
          assert.equal(got.seen, seen.join(""), name);
          assert.ok(got.reader.isComplete && got.reader.done, name);
          assert.deepEqual(got.reader.usage?.completionTokens, TOKENS, name);
          assert.equal(decoder.decode(got.reader.store!.bytes()), seen.join(""), name);
          if (!ids) continue;
          const listed = Array.from({ length: TOKENS }, (_, index) => (index + 1) * 1000);
          assert.deepEqual(got.tokenIds!.answer, listed, name);
        }
      });
    }
  }
}

Deno.test("an event for each piece is not copied where nothing has to be cut out", () => {
  const { sent } = streamOf({ ids: true, nulls: "none", beside: false });
  const reader = new SseObserver(
    true,
    1,
    new EventStore(1 << 20),
    new NullKeeper(new TokenIds(false), false),
    true,
  );
  let inPlace = 0;
  for (const event of sent) {
    const piece = encoder.encode(event);
    if (reader.take(piece).buffer === piece.buffer) inPlace++;
  }
  // All but the first events, from which the place of the ids is learned, and those at the end.
  assert.ok(inPlace >= TOKENS - 2, `${inPlace} of ${sent.length}`);
});
