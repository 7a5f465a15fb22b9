// The short way through usual events gives the same answer as parsing each of them.

import assert from "node:assert/strict";
import { dialects } from "../../../lib/api/dialects.ts";
import { assemble } from "../../../lib/sse/assemble/assemble.ts";
import { EventStore } from "../../../lib/sse/event_store.ts";

const encoder = new TextEncoder();

function stored(events: string[]): EventStore {
  const store = new EventStore(1e7);
  for (const event of events) {
    const bytes = encoder.encode(event);
    store.push(bytes, 0, bytes.length);
  }
  return store;
}

function assertSame(api: "chat" | "completions", events: string[]): void {
  const store = stored(events);
  assert.deepEqual(
    assemble(dialects[api].assembler(), store),
    assemble(dialects[api].assembler(), encoder.encode(events.join(""))),
  );
}

/** Repeatable numbers from 0 to below 1 (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6D2B79F5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const TEXTS = [
  "a",
  "",
  " the",
  "né",
  "中文",
  "🚀",
  '"',
  "\\",
  "\n",
  '"content":"',
  '"text":"',
  "\u2028",
  "\ufeff",
];

function chunk(delta: unknown, more: Record<string, unknown> = {}, top = {}): string {
  return `data: ${
    JSON.stringify({
      id: "chatcmpl-1",
      created: 1,
      model: "m",
      choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...more }],
      ...top,
    })
  }\n\n`;
}

Deno.test("a chat stream of all sorts of events comes together the same in both ways", () => {
  for (let seed = 0; seed < 400; seed++) {
    const next = random(seed);
    const pick = <T>(list: readonly T[]) => list[Math.floor(next() * list.length)];
    const events = [chunk({ role: "assistant", content: "" })];
    for (let i = 0; i < 30; i++) {
      const kind = next();
      if (kind < 0.7) events.push(chunk({ content: pick(TEXTS) }));
      else if (kind < 0.75) events.push(chunk({ reasoning: pick(TEXTS) }));
      else if (kind < 0.8) events.push(chunk({ content: pick(TEXTS) }, { index: 1 }));
      else if (kind < 0.85) events.push(chunk({ content: pick(TEXTS) }, { token_ids: [i] }));
      else if (kind < 0.9) events.push(chunk({ content: pick(TEXTS), refusal: "no" }));
      else if (kind < 0.95) {
        events.push(chunk({ content: pick(TEXTS) }, {}, { usage: { completion_tokens: i } }));
      } else events.push(": keepalive\n\n");
    }
    events.push(chunk({}, { finish_reason: "stop" }), "data: [DONE]\n\n");
    assertSame("chat", events);
  }
});

Deno.test("a text completion comes together the same in both ways", () => {
  for (let seed = 0; seed < 200; seed++) {
    const next = random(seed);
    const events = Array.from({ length: 40 }, () =>
      `data: ${
        JSON.stringify({
          id: "cmpl-1",
          created: 1,
          model: "m",
          choices: [{
            index: next() < 0.9 ? 0 : 1,
            text: TEXTS[Math.floor(next() * TEXTS.length)],
            finish_reason: null,
          }],
        })
      }\n\n`);
    assertSame("completions", events);
  }
});

Deno.test("a text with raw control bytes is as malformed as ever", () => {
  const good = chunk({ content: "a" });
  const events = [good, good.replace('"a"', '"b\tc"'), good.replace('"a"', '"d"')];
  const answer = assemble(dialects.chat.assembler(), stored(events));
  assert.equal(answer.malformed, 1);
  assert.equal(answer.choices[0].message.content, "ad");
});

Deno.test("numbers behind the text may differ in every event", () => {
  const next = random(11);
  for (let round = 0; round < 200; round++) {
    const events: string[] = [chunk({ role: "assistant", content: "" })];
    for (let i = 0; i < 30; i++) {
      const content = TEXTS[Math.floor(next() * TEXTS.length)];
      const sent = Math.floor(next() * (next() < 0.2 ? 1e3 : 1e6));
      const top = next() < 0.9 ? { sent } : { usage: { completion_tokens: i } };
      const more = next() < 0.9 ? {} : { logprobs: { content: [{ logprob: -sent }] } };
      events.push(chunk({ content }, more, top));
    }
    events.push(chunk({}, { finish_reason: "stop" }), "data: [DONE]\n\n");
    assertSame("chat", events);
  }
});

Deno.test("a choice's index behind its text is no number to pass over", () => {
  const event = (content: string, index: number) =>
    `data: ${
      JSON.stringify({ id: "1", choices: [{ delta: { content }, finish_reason: null, index }] })
    }\n\n`;
  assertSame("chat", [event("a", 0), event("b", 1), event("c", 0), event("d", 1)]);
});
