// The one end of a caller's request: what it cost is booked, what it held is given back.

import assert from "node:assert/strict";
import { hashOfKey, newKey } from "../../lib/caller/key.ts";
import { Reception } from "../../lib/caller/reception.ts";
import type { Reservation } from "../../lib/caller/counters.ts";
import { UsageMemory } from "../../lib/caller/usage/usage_memory.ts";
import { loadConfig } from "../../lib/config/load.ts";
import type { ClientRequest } from "../../lib/http/client.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";

const KEY = newKey();

function reception(): Reception {
  const text = JSON.stringify({
    instances: [{ url: "http://a:8001", model_name: "m" }],
    keys: [{ name: "web", hash: `sha256:${hashOfKey(KEY)}`, concurrency: 1 }],
  });
  const loaded = loadConfig("c.jsonc", text, () => undefined);
  assert.ok(loaded.ok);
  const made = new Reception({
    memory: SharedState.create().limits,
    usage: UsageMemory.create(),
    now: () => performance.now(),
    wallMs: () => Date.now(),
    onError: assert.fail,
  });
  made.apply(loaded.config.callers);
  return made;
}

const CLIENT: ClientRequest = {
  method: "POST",
  target: "/v1/chat/completions",
  headers: [["authorization", `Bearer ${KEY}`]],
  remoteAddress: "127.0.0.1",
  readBody: () => Promise.resolve(new Uint8Array(0)),
  gone: false,
  onGone: () => () => {},
};

Deno.test("a place is not free before what its request cost is booked", async () => {
  const desk = reception();
  const { limits, ledger } = desk;
  const queue = { max: 0, deadlineS: 1 };
  using visit = await desk.receive(desk.access!, CLIENT, queue);
  await visit.admit({ model: "m", size: null, answers: 1, most: 10, slot: true });
  assert.equal(visit.inFlight, 1);
  const settle = limits.counters.settle.bind(limits.counters);
  let bookedBefore = -1;
  limits.counters.settle = (reservation: Reservation, tokens: number) => {
    bookedBefore = ledger.used("key", "web", "day").completion;
    settle(reservation, tokens);
  };
  visit.settle({ prompt: 3, cached: 0, completion: 7, estimated: false }, "complete");
  assert.equal(visit.inFlight, 0);
  assert.equal(bookedBefore, 7);
  visit.settle({ prompt: 3, cached: 0, completion: 7, estimated: false }, "complete");
  assert.equal(ledger.used("key", "web", "day").requests, 1);
  desk.close();
});
