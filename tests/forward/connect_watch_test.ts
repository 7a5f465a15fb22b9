// The limit for connecting beside fetch costs few connections of its own.

import assert from "node:assert/strict";
import { ConnectWatch } from "../../lib/forward/transport/connect_watch.ts";
import { waitFor } from "../support/wait.ts";

Deno.test("requests to an instance that cannot be reached share one trial, and each has its limit", async () => {
  let trials = 0;
  const watch = new ConnectWatch(() => false, () => {
    trials++;
    return new Promise(() => {});
  });
  let expired = 0;
  for (let n = 0; n < 20; n++) watch.start("https://192.0.2.1", 2, () => 0, () => expired++);
  await waitFor(() => expired === 20, "all limits to pass");
  assert.equal(trials, 1);
});

Deno.test("an origin that was reached is forgotten once it is trusted no longer", async () => {
  const clock = { now: 0 };
  let reached = 0;
  const watch = new ConnectWatch(() => false, () => {
    reached++;
    return Promise.resolve({ close() {} } as Deno.Conn);
  }, () => clock.now);
  for (let pod = 1; pod <= 5; pod++) {
    const stop = watch.start(`http://192.0.2.${pod}`, 0.02, () => 0, () => {});
    await waitFor(() => reached === pod && watch.known > 0, "the origin to be reached");
    stop();
    assert.equal(watch.known, 1);
    clock.now += 6000;
  }
});
