// Chats so short that their caches are worth milliseconds, several asked at once: the form of the measurement
// on two real servers in docs/decisions/routing.md.

import assert from "node:assert/strict";
import { chainOf, RoutingStand, type Sent, words } from "../routing_stand.ts";

const CHATS = 12;
const TURNS = 5;
const AT_ONCE = 4;

/** Of CHATS * (TURNS - 1) turns, those that another instance got than the one before. */
function moved(run: number): number {
  const stand = new RoutingStand({ instances: 2 });
  const chats = Array.from({ length: CHATS }, (_, n) => ({
    text: words(`${run}of${n}`, 420),
    at: -1,
  }));
  let seed = run + 1;
  const random = () => (seed = Math.imul(seed, 48_271) % 0x7fffffff) >>> 0;
  let count = 0;
  for (let turn = 0; turn < TURNS; turn++) {
    const order = chats.map((chat) => ({ chat, key: random() })).sort((a, b) => a.key - b.key);
    for (let first = 0; first < CHATS; first += AT_ONCE) {
      const sent: Sent[] = [];
      for (const { chat } of order.slice(first, first + AT_ONCE)) {
        chat.text += words(`turn${turn}`, 280);
        sent.push(stand.send(chainOf(chat.text)));
        const { slot } = sent.at(-1)!;
        if (chat.at >= 0 && slot !== chat.at) count++;
        chat.at = slot;
      }
      for (const one of sent) {
        stand.clock += 100;
        one.placement.answered();
        stand.end(one);
      }
    }
  }
  return count;
}

Deno.test("5: short chats that are asked four at a time stay with their instance, but for a few turns", () => {
  const counts = Array.from({ length: 10 }, (_, run) => moved(run));
  const mean = counts.reduce((a, b) => a + b) / counts.length;
  assert.ok(mean <= 2, counts.join(" "));
});
