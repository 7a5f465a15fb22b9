// Answers of /v1/responses that are made in the background: the record is of the conversation, whenever and
// however often its answer is fetched.

import assert from "node:assert/strict";
import { startFleet } from "../faults/fleet.ts";
import { waitFor } from "../support/wait.ts";

Deno.test("a background answer is recorded once, when it is fetched whole", async () => {
  await using fleet = await startFleet({
    count: 2,
    simulate: ["--tokens", "40", "--tokens-per-second", "10"],
  });
  const { gateway } = fleet;
  const body = { model: "demo", input: "Think long", background: true };
  const { id, status } = await (await gateway.post("/v1/responses", body)).json();
  assert.equal(status, "queued");
  const fetched = async () => await (await fetch(`${gateway.url}/v1/responses/${id}`)).json();
  assert.equal((await fetched()).status, "in_progress");
  await waitFor(async () => (await fetched()).status === "completed", "the answer");
  const { output } = await fetched();
  const { complete: [record] } = await fleet.records(1, 0);
  assert.deepEqual(record.conversations, [
    { from: "human", value: "Think long" },
    { from: "gpt", value: output.at(-1).content[0].text },
  ]);
  let metrics = "";
  await waitFor(async () => {
    metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    return /^gateway_requests_total\{.*outcome="complete"/m.test(metrics);
  }, () => metrics);
  assert.doesNotMatch(metrics, /outcome="truncated"/);
  await fleet.settled();
});
