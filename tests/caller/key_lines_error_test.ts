// Those who wait for their limits are served, whatever went wrong once.

import assert from "node:assert/strict";
import { KeyLines, type KeyLinesParts } from "../../lib/caller/key_lines.ts";

Deno.test("counters that fail once do not end the line of a key", async () => {
  let asked = 0;
  const counters = {
    reserve() {
      if (++asked === 1) return Promise.reject(new Error("no"));
      return { kind: "reserved", reservation: null };
    },
  };
  const lines = new KeyLines({
    counters: () => counters as unknown as ReturnType<KeyLinesParts["counters"]>,
    stands: () => {},
    othersWait: () => false,
  });
  const work = {} as ReturnType<Parameters<KeyLines["wait"]>[1]>;
  const waited = await lines.wait("key", () => work, 5000, () => {});
  assert.equal(waited.kind, "reserved");
  assert.equal(lines.isOccupied("key"), false);
});
