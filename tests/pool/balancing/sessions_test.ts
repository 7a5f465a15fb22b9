// Where sessions go. Numbers are those of the edge cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import { hashOf } from "../../../lib/pool/memory/hash_table.ts";
import { chainOf, RoutingStand, words } from "../routing_stand.ts";

const session = (name: string | number) => hashOf(`session ${name}`);
/** Another one each time, with nothing in common. */
const prompt = (n: string | number, bytes = 8000) => chainOf(words(n, bytes));

Deno.test("a session whose history is edited stays with the instance that has most of it", () => {
  const stand = new RoutingStand();
  const slot = stand.once(prompt("first"), session("a"));
  for (let n = 0; n < 5; n++) {
    const sent = stand.send(prompt(`edited ${n}`), session("a"));
    stand.answer(sent);
    assert.equal(sent.slot, slot);
    assert.equal(sent.decision.reason, "session");
    assert.equal(stand.once(prompt(`edited ${n}`)), slot, "the index has it as well");
  }
});

Deno.test("short chats that no chunk tells apart stay together by their sessions", () => {
  const stand = new RoutingStand();
  const homes = Array.from({ length: 12 }, (_, n) => stand.once(prompt(n, 200), session(n)));
  assert.ok(new Set(homes).size > 4, homes.join());
  for (let turn = 1; turn < 5; turn++) {
    for (const [n, slot] of homes.entries()) {
      assert.equal(stand.once(prompt(`${n} ${turn}`, 200 + 40 * turn), session(n)), slot);
    }
  }
});

Deno.test("prefer: a session leaves where too much waits before it", () => {
  const stand = new RoutingStand();
  const slot = stand.once(prompt("first"), session("a"));
  const before = [0, 1, 2].map((n) => stand.sendTo(slot, prompt(`other ${n}`, 400_000)));
  const sent = stand.send(prompt("next"), session("a"));
  assert.notEqual(sent.slot, slot);
  stand.answer(sent);
  for (const one of before) stand.end(one);
  assert.equal(stand.once(prompt("after"), session("a")), sent.slot, "and is there from then on");
});

Deno.test("pin: a session stays, whatever others have of its prompt, unless its instance has its share", () => {
  const stand = new RoutingStand({ pins: true });
  const shared = words("shared", 60_000);
  const slot = stand.once(prompt("first"), session("a"));
  const other = (slot + 1) % 8;
  stand.answer(stand.sendTo(other, chainOf(shared)));
  const pinned = stand.send(chainOf(shared), session("a"));
  assert.equal(pinned.slot, slot);
  assert.equal(pinned.decision.reason, "session");
  stand.answer(pinned);
  const crowd = Array.from({ length: 20 }, (_, n) => stand.sendTo(slot, prompt(`crowd ${n}`, 200)));
  const away = stand.send(prompt("next"), session("a"));
  assert.notEqual(away.slot, slot);
  stand.answer(away);
  for (const one of crowd) stand.end(one);
});

Deno.test("a session is nowhere once its instance was started anew, is out, or gave no token", () => {
  const stand = new RoutingStand();
  const slot = stand.once(prompt("first"), session("a"));
  stand.out.add(slot);
  const elsewhere = stand.send(prompt("second"), session("a"));
  assert.notEqual(elsewhere.slot, slot);
  // No first token: it is where it was.
  stand.end(elsewhere);
  assert.equal(stand.memory.sessions.of(session("a")).slot, slot);
  stand.out.clear();
  stand.memory.restarted(slot);
  assert.equal(stand.memory.sessions.of(session("a")).slot, -1);
  const anew = stand.send(prompt("third"), session("a"));
  assert.notEqual(anew.decision.reason, "session");
  stand.end(anew);
  assert.equal(stand.memory.sessions.of(session("a")).slot, -1);
});

Deno.test("two requests of a session at once: the one that fails does not move the other back", () => {
  const stand = new RoutingStand();
  const failed = stand.sendTo(3, prompt("x"));
  stand.end(failed);
  const first = stand.send(prompt("one"), session("a"));
  const away = (first.slot + 1) % 8;
  const second = stand.router.place(away, prompt("two"), session("a"));
  second.firstToken(stand.clock);
  stand.end(first);
  assert.equal(stand.memory.sessions.of(session("a")).slot, away);
});

Deno.test("where foretold hits do not come true a session's do not count either", () => {
  const stand = new RoutingStand();
  const slot = stand.once(prompt("first"), session("a"));
  stand.memory.trust.told(slot, false);
  const { decision } = stand.send(prompt("second"), session("a"));
  assert.equal(decision.standings[slot].matched, 0);
});

for (const pins of [false, true]) {
  Deno.test(`33: one session for all callers, a careless default, crowds nobody (pins: ${pins})`, () => {
    const stand = new RoutingStand({ pins });
    const open = Array.from({ length: 400 }, (_, n) => stand.send(prompt(n), session("all")));
    const busiest = Math.max(...stand.inFlight);
    assert.ok(busiest <= 2 * 400 / 8, `${busiest} at one`);
    for (const one of open) stand.end(one);
    assert.deepEqual(stand.inFlight, Array(8).fill(0));
  });
}

Deno.test("a hundred thousand sessions leave those that are used in their place, and take no more room", () => {
  const { sessions } = new RoutingStand().memory;
  for (let n = 0; n < 100_000; n++) {
    sessions.note(session(n), { slot: n % 8, tokens: n });
    assert.deepEqual(sessions.of(session(n)), { slot: n % 8, tokens: n });
  }
  const found = Array.from({ length: 5000 }, (_, n) => sessions.of(session(99_999 - n)).slot);
  assert.ok(found.filter((slot) => slot >= 0).length > 4400);
});
