// The live feed as viewers of a gateway have it: what it tells, to how many, and what ends it. The feed by itself:
// live_test.ts.

import assert from "node:assert/strict";
import { startFleet } from "../faults/fleet.ts";
import { waitFor, within } from "../support/wait.ts";
import { act, follow, startGuarded } from "./api_stand.ts";

Deno.test("the live feed begins with everything, then tells each second and each event", async () => {
  await using fleet = await startGuarded();
  let drained: Promise<unknown> | null = null;
  const seen = await within(
    follow(fleet, (event) => {
      if (event.event === "snapshot") drained ??= act(fleet, "drain", { instance: "sim-1" });
      return event.event === "event" && JSON.parse(event.data).kind === "drain";
    }),
    "the drain among the events",
  );
  await drained;
  const [begin] = seen;
  assert.equal(begin.event, "begin");
  const data = JSON.parse(begin.data);
  assert.deepEqual(Object.keys(data), ["snapshot", "history", "events"]);
  assert.equal(data.snapshot.instances.length, 2);
});

Deno.test("fifty viewers see the same seconds, and leave nothing behind", async () => {
  await using fleet = await startFleet();
  const begun = performance.now();
  const viewers = Array.from({ length: 50 }, () => {
    let snapshots = 0;
    return follow(fleet, ({ event }) => event === "snapshot" && ++snapshots === 3);
  });
  const seen = await within(Promise.all(viewers), "three seconds for each viewer");
  const times = seen.map((events) =>
    events.filter(({ event }) => event === "snapshot").map(({ data }) => JSON.parse(data).time)
  );
  // One computation for all: there are as many as seconds have passed, however many look.
  const most = 2 + (performance.now() - begun) / 1000;
  assert.ok(
    new Set(times.flat()).size <= most,
    `${new Set(times.flat()).size} of ${most} snapshots`,
  );
  assert.equal((await (await fleet.chat()).json()).object, "chat.completion");
});

Deno.test("a gateway that stops ends the live feed instead of waiting for its viewers", async () => {
  await using fleet = await startFleet({ config: { drain_timeout: 600 } });
  const response = await fetch(`${fleet.gateway.url}/dashboard/api/live`);
  const reading = response.text();
  await waitFor(async () => (await fleet.health()).instances.length === 2, "the gateway");
  await within(fleet.gateway.stop(), "the end of the process");
  assert.match(await reading, /^event: begin\n/);
});

Deno.test("a viewer who may no longer look is cut off by the reload that says so", async () => {
  await using fleet = await startGuarded();
  const response = await fetch(`${fleet.gateway.url}/dashboard/api/live`);
  const reading = response.text();
  const config = JSON.parse(await Deno.readTextFile(fleet.gateway.configPath));
  await fleet.gateway.writeConfig({ ...config, admin: { enabled: false } });
  await within(reading, "the end of the live feed");
  const again = await fetch(`${fleet.gateway.url}/dashboard/api/live`);
  assert.equal(again.status, 404);
  await again.body?.cancel();
});
