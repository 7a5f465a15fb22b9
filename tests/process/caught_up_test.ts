// A configuration is said to be in force once it is: in every worker, however late one of them is.

import assert from "node:assert/strict";
import { startGateway } from "../support/processes.ts";
import { completion, startUpstream } from "../support/upstream.ts";
import { ASK, bearer, makeKey } from "../e2e/access/keyed.ts";
import { Isolates, SNAPSHOT, startPool } from "./scripted_workers.ts";

Deno.test("all workers are waited for, and one that dies is not", async () => {
  const isolates = new Isolates();
  const pool = await startPool(isolates, 3);
  pool.apply(SNAPSHOT);
  let isCaughtUp = false;
  const caughtUp = pool.caughtUp().then(() => isCaughtUp = true);
  for (const said of isolates.said) assert.deepEqual(said, ["start", "apply", "catch_up"]);
  isolates.events[0].said({ kind: "caught_up", problems: [] });
  isolates.events[1].failed("it dies");
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(isCaughtUp, false);
  isolates.events[2].said({ kind: "caught_up", problems: [] });
  await caughtUp;
  const others = pool.caughtUp();
  const closed = pool.close();
  for (const { said } of isolates.events) said({ kind: "drained", by: "close" });
  await closed;
  await others;
});

Deno.test("once a reload is told, a key that it took away is refused by every worker", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const [web, other] = [makeKey("web"), makeKey("other")];
  const config = { instances: [{ url: upstream.url, model_name: "m" }], health_check: false };
  await using gateway = await startGateway({
    config: { ...config, keys: [web.line, other.line] },
    args: ["--workers", "3"],
  });
  const ask = async () => {
    // On a connection of its own: any worker may get it.
    const headers = { ...bearer(web.key).headers, connection: "close" };
    const response = await gateway.post("/v1/chat/completions", ASK, { headers });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await ask(), 200);
  await gateway.writeConfig({ ...config, keys: [other.line] });
  await gateway.process.waitForOutput(/configuration reloaded/);
  const statuses = await Promise.all(Array.from({ length: 30 }, ask));
  assert.deepEqual([...new Set(statuses)], [401]);
});
