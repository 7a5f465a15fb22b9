// Token ids that are taken out of events on their way to the client.

import assert from "node:assert/strict";
import { TokenIds } from "../../lib/forward/resume/token_ids.ts";
import { EventStore } from "../../lib/sse/event_store.ts";
import { SseObserver } from "../../lib/sse/observer.ts";
import { decoder, done, encoder, role, sizes, stop } from "./streams.ts";

Deno.test("token ids are taken out alike, whether events come alone or several in a piece", () => {
  const event = (content: string, list: string) =>
    `data: {"choices":[{"index":0,"delta":{"content":"${content}"},"finish_reason":null,` +
    `"token_ids":${list}}],"at":1${content.length}}\n\n`;
  const events = [
    event("one", "[151]"),
    event("two", "[20,3000]"),
    event("three", "[7]"),
    event("", "[18]"),
    event("four", "null"),
    event("five", "[]"),
    event("six", "[1234567]"),
    `data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop","token_ids":[99]}],"at":1}\n\n`,
  ];
  const took = (pieces: string[], keeps: boolean) => {
    const ids = new TokenIds(keeps);
    const store = new EventStore(1 << 20);
    const observer = new SseObserver(true, 1, store, ids);
    const shown = pieces.map((piece) => decoder.decode(observer.take(encoder.encode(piece))));
    assert.equal(observer.fault, null);
    const { pieces: count, progress, finishes } = observer;
    const stored = decoder.decode(store.bytes());
    return { shown: shown.join(""), stored, ids: ids.answer, count, progress, finishes };
  };
  const text = events.join("");
  const pairs = [0, 2, 4, 6].map((at) => events[at] + events[at + 1]);
  for (const keeps of [false, true]) {
    const alone = took(events, keeps);
    assert.deepEqual(alone, took([text], keeps));
    assert.deepEqual(alone, took(pairs, keeps));
    assert.deepEqual(alone.ids, [151, 20, 3000, 7, 18, 1234567, 99]);
    const expected = keeps ? text : text.replace(/\[[\d,]*\]/g, "null");
    assert.equal(alone.shown, expected);
    assert.equal(alone.stored, expected);
  }
});

Deno.test("an event that is there for the sake of token ids alone is for those who asked for them", () => {
  const event = (delta: object, ids: number[] | null, more: object = {}) => {
    const choice = { index: 0, delta, logprobs: null, finish_reason: null, token_ids: ids };
    return `data: ${JSON.stringify({ id: "x", choices: [choice], ...more })}\n\n`;
  };
  const usage = { prompt_tokens: 3, completion_tokens: 2 };
  const said = event({ content: "a" }, [1]);
  const silent = [event({}, [2]), event({}, [3], { usage }), event({}, [4])];
  const empty = event({ content: "" }, [5]);
  const own = event({}, null);
  const sent = role + said + silent.join("") + empty + own + said + stop + done;
  const want = (role + said + empty + own + said + stop + done).replace(/\[\d\]/g, "null");
  for (const keeps of [false, true]) {
    for (const size of sizes) {
      const ids = new TokenIds(keeps);
      const store = new EventStore(1 << 20);
      const observer = new SseObserver(true, 1, store, ids);
      const bytes = encoder.encode(sent);
      let shown = "";
      for (let at = 0; at < bytes.length; at += size) {
        shown += decoder.decode(observer.take(bytes.slice(at, at + size)));
      }
      assert.equal(shown, keeps ? sent : want);
      assert.equal(decoder.decode(store.bytes()), shown);
      assert.deepEqual(ids.answer, [1, 2, 3, 4, 5, 1]);
      assert.equal(observer.usage?.completionTokens, 2);
    }
  }
});

Deno.test("token ids are taken out once, however the stream is cut and its lines end", () => {
  const tokens = (content: string, ids: number[] | null) =>
    `data: {"choices":[{"index":0,"delta":{"content":"${content}"},"token_ids":${
      JSON.stringify(ids)
    }}]}\n\n`;
  const sent = role + tokens("a", [1]) + tokens("", [2]) + tokens("b", [30, 4]) + stop + done;
  const want = role + tokens("a", null) + tokens("", null) + tokens("b", null) + stop + done;
  for (const end of ["\n", "\r\n", "\r"]) {
    const stream = encoder.encode(sent.replaceAll("\n", end));
    const bounds = [...sent.matchAll(/\n\n/g)].map((found) => found.index + 2);
    for (const size of [...sizes, 0]) {
      const ids = new TokenIds(false);
      const observer = new SseObserver(true, 1, new EventStore(1 << 20), ids);
      const cuts = size === 0 && end === "\n"
        ? bounds
        : Array.from({ length: Math.ceil(stream.length / (size || 7)) }, (_, i) =>
          (i + 1) * (size || 7));
      let passed = "";
      let at = 0;
      for (const cut of cuts) {
        passed += decoder.decode(observer.take(stream.slice(at, cut)));
        at = cut;
      }
      assert.equal(passed, want.replaceAll("\n", end));
      assert.deepEqual(ids.answer, [1, 2, 30, 4]);
      // The second one is a part of a character: no text, but a token all the same.
      assert.deepEqual([observer.pieces, observer.progress], [3, 5]);
    }
  }
});
