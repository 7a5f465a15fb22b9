// When the fallbacks are asked, which cost money, and what a client hears where they cannot help either.

import assert from "node:assert/strict";
import { readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { contentOf, errorOf, startFleet } from "./fleet.ts";

for (const fault of ["reset", "500", "429", "503", "503:retry-after=0.1"]) {
  for (const stream of [false, true]) {
    const kind = stream ? "streamed" : "whole";
    Deno.test(`${fault}, ${kind}: tried once more on the pool before a fallback is paid`, async () => {
      await using fleet = await startFleet({ count: 1, fallbacks: 1 });
      await fleet.simulators.fail(0, fault, { count: 1 });
      const response = await fleet.chat({ stream });
      assert.equal(response.headers.get("x-gateway-instance"), "sim-0");
      if (stream) assert.ok((await readSse(response)).done);
      else assert.ok(await contentOf(response));
      assert.deepEqual(await fleet.counts(), [2, 0]);
      const { complete } = await fleet.records(1, 0);
      assert.equal(complete[0].meta.attempts?.length, 2);
      await fleet.settled();
    });
  }
}

Deno.test("a lasting failure: the pool is asked twice, then the fallbacks in their order", async () => {
  await using fleet = await startFleet({ count: 1, fallbacks: 3 });
  await fleet.simulators.fail(0, "500");
  await fleet.simulators.fail(1, "reset");
  const response = await fleet.chat();
  assert.equal(response.headers.get("x-gateway-instance"), "paid-1");
  assert.ok(await contentOf(response));
  assert.deepEqual(await fleet.counts(), [2, 1, 1, 0]);
  const { complete } = await fleet.records(1, 0);
  assert.deepEqual(
    complete[0].meta.attempts?.map(({ instance }) => instance),
    ["sim-0", "sim-0", "paid-0", "paid-1"],
  );
  await fleet.settled();
});

Deno.test("a fallback is asked at once when the pool is busy for longer than retry.max_wait", async () => {
  await using fleet = await startFleet({ count: 1, fallbacks: 1 });
  await fleet.simulators.fail(0, "503:retry-after=600");
  for (let i = 0; i < 3; i++) {
    const response = await fleet.chat();
    assert.equal(response.headers.get("x-gateway-instance"), "paid-0");
    assert.ok(await contentOf(response));
  }
  assert.deepEqual(await fleet.counts(), [1, 3]);
  await fleet.settled();
});

Deno.test("retry.max_wait 0 goes to the fallback without a second try", async () => {
  await using fleet = await startFleet({
    count: 1,
    fallbacks: 1,
    config: { retry: { max_wait: 0 } },
  });
  await fleet.simulators.fail(0, "500");
  assert.ok(await contentOf(await fleet.chat()));
  assert.deepEqual(await fleet.counts(), [1, 1]);
  await fleet.settled();
});

for (
  const [faults, status, type] of [
    [["reset", "500"], 502, "BadGatewayError"],
    [["503", "503"], 503, "ServiceUnavailableError"],
    [["429", "429"], 429, "RateLimitError"],
    [["503", "reset"], 502, "BadGatewayError"],
  ] as const
) {
  Deno.test(`nobody can answer (${faults.join(", ")}): ${status} names what each did`, async () => {
    await using fleet = await startFleet({ fallbacks: 1 });
    await fleet.simulators.fail(0, faults[0]);
    await fleet.simulators.fail(1, faults[1]);
    await fleet.simulators.fail(2, faults[1]);
    for (const stream of [false, true]) {
      const response = await fleet.chat({ stream });
      assert.ok(response.headers.get("x-request-id"));
      assert.equal(response.headers.get("retry-after"), status === 429 ? "1" : null);
      const error = await errorOf(response, status, type);
      for (const name of ["sim-0", "sim-1", "paid-0"]) {
        assert.match(error.message, new RegExp(`${name}: `));
      }
      assert.ok(!error.message.includes("127.0.0.1"), "without addresses");
    }
    assert.deepEqual(await fleet.counts(), [4, 4, 2], "twice on the pool, once on the fallback");
    const { incomplete } = await fleet.records(0, 2);
    for (const { meta } of incomplete) assert.equal(meta.attempts?.length, 5);
    await waitFor(
      async () => (await fleet.errorLog()).includes("sim-0"),
      "a line in data/errors",
    );
    await fleet.settled();
  });
}
