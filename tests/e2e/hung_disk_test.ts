// A disk that takes no more bytes and says nothing, as one behind a network does: the lock of a file that somebody
// else holds stands for it.

import assert from "node:assert/strict";
import { join } from "node:path";
import { exists } from "../support/exists.ts";
import { holdHours } from "../support/held_hours.ts";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { completion, startUpstream } from "../support/upstream.ts";
import { waitFor, within } from "../support/wait.ts";

/** A gateway that has an answer to record, on a disk that hangs. */
async function withHungRecords(
  test: (gateway: GatewayProcess, history: string) => Promise<void>,
): Promise<void> {
  // A minute that is over is written at once, whoever hangs.
  await waitFor(() => new Date().getSeconds() < 40, "the next minute", 30_000);
  await using upstream = startUpstream(() => Promise.resolve(completion("hello")));
  await using gateway = await startGateway({
    config: { instances: [{ url: upstream.url, model_name: "m" }] },
  });
  using _held = await holdHours(join(gateway.dataDir, "requests_responses"));
  const content = "long ".repeat(50_000);
  const response = await gateway.post("/v1/chat/completions", {
    model: "m",
    messages: [{ role: "user", content }],
  });
  assert.equal(response.status, 200, await response.text());
  const history = join(gateway.dataDir, "history");
  assert.ok(!await exists(history));
  await test(gateway, history);
}

Deno.test({
  name: "records that hang at the end keep nothing else from being written",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withHungRecords(async (gateway, history) => {
      gateway.signal("SIGTERM");
      await waitFor(() => exists(history), "the minutes, though records hang", 10_000);
    }),
});

Deno.test({
  name: "what instances hold keeps nothing else from being written where that hangs",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using upstream = startUpstream(() => Promise.resolve(completion("hello")));
    await using gateway = await startGateway({
      config: {
        instances: [{ url: upstream.url, model_name: "m" }],
        load_balancing_strategy: "prefix_aware",
        log: { level: "info" },
      },
    });
    await Deno.mkdir(gateway.dataDir, { recursive: true });
    const fresh = join(gateway.dataDir, `routing_index.${gateway.pid}.new`);
    assert.ok((await new Deno.Command("mkfifo", { args: [fresh] }).output()).success);
    gateway.signal("SIGTERM");
    await waitFor(() => exists(join(gateway.dataDir, "history")), "the minute that has begun");
    assert.doesNotMatch(gateway.output(), /takes too long/);
  },
});

Deno.test({
  name: "a second signal behind the last answer ends at once, and names what it leaves",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withHungRecords(async (gateway, history) => {
      gateway.signal("SIGTERM");
      await waitFor(() => exists(history), "the minutes: answers are over", 10_000);
      gateway.signal("SIGTERM");
      const { code } = await within(gateway.process.status, "the end", 20_000);
      assert.equal(code, 1);
      assert.match(gateway.output(), /ended at once by one more signal: .* is left/);
    }),
});
