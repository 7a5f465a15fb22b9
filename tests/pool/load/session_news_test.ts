import assert from "node:assert/strict";
import { MOST_SESSIONS, SessionNews } from "../../../lib/pool/load/session_news.ts";
import { Layout } from "../../../lib/pool/memory/layout.ts";

function news(): SessionNews {
  const measure = new Layout(null);
  new SessionNews(measure);
  return new SessionNews(new Layout(new SharedArrayBuffer(measure.bytes)));
}

Deno.test("of each session the last place is told, once, and nothing while nobody listens", () => {
  const told = news();
  told.note(1, 1, 10);
  assert.deepEqual(told.take(), []);
  told.open();
  told.note(1, 2, 20);
  told.note(2, 3, 30);
  told.note(1, 4, 40);
  assert.deepEqual(told.take(), [
    { session: 2, slot: 3, tokens: 30 },
    { session: 1, slot: 4, tokens: 40 },
  ]);
  assert.deepEqual(told.take(), []);
  told.close();
  told.note(1, 5, 50);
  assert.deepEqual(told.take(), []);
});

Deno.test("who takes them late has the newest", () => {
  const told = news();
  told.open();
  for (let session = 1; session <= 3 * MOST_SESSIONS; session++) told.note(session, 1, 1);
  const taken = told.take();
  assert.equal(taken.length, MOST_SESSIONS);
  assert.equal(taken.at(-1)?.session, 3 * MOST_SESSIONS);
  assert.equal(taken[0].session, 2 * MOST_SESSIONS + 1);
});
