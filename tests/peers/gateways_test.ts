// Several gateways in front of the same instances, with notes from one to the other: real processes. What
// goes wrong between them is in trouble_test.ts.

import assert from "node:assert/strict";
import { startGateway, startSimulators } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { by, followsNotes, instanceOf } from "./by_prompts.ts";
import { fleetOf, hears, metric, startTogether, TOKEN } from "./gateways.ts";

Deno.test("a prompt goes where another gateway has sent its beginning", () => followsNotes(1));

Deno.test("each gateway shows all of them, and what they do", async () => {
  await using simulators = await startSimulators({ args: ["--model", "m"] });
  const config = by(simulators.urls);
  await using together = await startTogether([config, config]);
  const [first, second] = together.gateways;
  await instanceOf(first, "ant");
  await waitFor(
    async () => (await fleetOf(second)).gateways.some(({ requests }) => requests === 1),
    "the request of the first, seen from the second",
  );
  const { gateways } = await fleetOf(second);
  assert.deepEqual(
    gateways.map(({ name }) => Number(name.split(":").at(-1))),
    [second.port, first.port],
  );
  await first.stop();
  await waitFor(async () => (await fleetOf(second)).gateways.length === 1, "the end of the first");
});

Deno.test("what comes to the door of notes without their token, or is none, is refused and not read", async () => {
  await using simulators = await startSimulators({ args: ["--model", "m"] });
  const config = by(simulators.urls);
  await using alone = await startGateway({ config });
  assert.equal((await alone.post("/admin/peers", {})).status, 404);
  await using together = await startTogether([config, config]);
  const [first] = together.gateways;
  const post = async (body: string, token = TOKEN) => {
    const answer = await first.post("/admin/peers", body, {
      headers: { authorization: `Bearer ${token}` },
    });
    await answer.body?.cancel();
    return answer.status;
  };
  assert.equal(await post("{}", "a-token-of-gatewayz"), 403);
  assert.equal(await post("{"), 400);
  assert.equal(await post("x".repeat(2 * 1024 * 1024)), 413);
  const get = await fetch(`${first.url}/admin/peers`);
  await get.body?.cancel();
  assert.equal(get.status, 405);
  assert.equal(get.headers.get("allow"), "POST");
  const refused = (reason: string) =>
    metric(first, `gateway_peer_refused_total{reason="${reason}"}`);
  for (const reason of ["token", "malformed"]) {
    await waitFor(async () => await refused(reason) > 0, `one refused for ${reason} to be counted`);
    assert.equal(await refused(reason), 1);
  }
  await hears(first, 1);
});
