// Whose a stored response is, is known over restarts, and by gateways that share their state.

import assert from "node:assert/strict";
import { RedisServer, testWithRedis } from "../../support/redis_server.ts";
import { startGateway, temporaryFolder } from "../../support/processes.ts";
import { startUpstream, type Upstream } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";
import { bearer, keyedGateway, makeKey, storedResponse } from "./keyed.ts";

const [WEB, OTHER] = [makeKey("web"), makeKey("other")];

let made = 0;

/** Makes responses, each with an id of its own, and keeps them all. */
function keeping(): Upstream {
  return startUpstream(({ method, path }) =>
    Response.json(storedResponse(method === "POST" ? `resp_${++made}` : path.split("/")[3]))
  );
}

const make = async (url: string, key: string, more = {}) => {
  const response = await fetch(`${url}/v1/responses`, {
    method: "POST",
    headers: { ...bearer(key).headers, "content-type": "application/json" },
    body: JSON.stringify({ model: "m", input: "hello", ...more }),
  });
  return { status: response.status, id: (await response.json()).id as string };
};

const fetched = async (url: string, key: string, id: string) => {
  const response = await fetch(`${url}/v1/responses/${id}`, bearer(key));
  await response.body?.cancel();
  return response.status;
};

for (const workers of [1, 2]) {
  Deno.test(`access 7: a stored response is its key's after a restart and after kill -9, with ${workers} workers`, async () => {
    await using upstream = keeping();
    await using other = keeping();
    await using folder = await temporaryFolder();
    const config = {
      instances: [upstream, other].map(({ url }) => ({ url, model_name: "m" })),
      health_check: false,
      data_dir: folder.path,
      workers,
      keys: [WEB.line, OTHER.line],
    };
    const file = `${folder.path}/usage/responses.jsonl`;
    const ids: string[] = [];
    for (const end of ["stop", "kill"] as const) {
      await using gateway = await startGateway({ config });
      for (let n = 0; n < 2; n++) ids.push((await make(gateway.url, WEB.key)).id);
      // A process that is killed may lose what is younger than a second.
      if (end === "kill") {
        await waitFor(
          () => Deno.readTextFileSync(file).trim().split("\n").length >= ids.length,
          "the file",
        );
      }
      await gateway[end]();
    }
    // Half a line, as a crash leaves it.
    await Deno.writeTextFile(file, "[123,4", { append: true });
    await using gateway = await startGateway({ config });
    for (const id of ids) {
      assert.equal(await fetched(gateway.url, WEB.key, id), 200, id);
      assert.equal(await fetched(gateway.url, OTHER.key, id), 404, id);
    }
    const next = await make(gateway.url, WEB.key, { previous_response_id: ids[0] });
    assert.equal(next.status, 200);
    const foreign = await make(gateway.url, OTHER.key, { previous_response_id: ids[0] });
    assert.equal(foreign.status, 404);
    const text = await Deno.readTextFile(file);
    assert.ok(!text.includes("resp_") && !text.includes("web"), "numbers only");
  });
}

Deno.test("access 1: without keys nothing is written of stored responses", async () => {
  await using upstream = keeping();
  await using gateway = await startGateway({
    config: { instances: [{ url: upstream.url, model_name: "m" }] },
  });
  await make(gateway.url, "any");
  assert.equal((await gateway.stop()).success, true);
  const names = [...Deno.readDirSync(`${gateway.dataDir}/usage`)].map(({ name }) => name);
  assert.ok(!names.includes("responses.jsonl"), names.join());
});

testWithRedis(
  "access 7: a gateway beside the one that made it knows whose a stored response is",
  async () => {
    await using redis = await RedisServer.start();
    await using upstream = keeping();
    const shared = { shared_state: { url: redis.url, timeout: 1 } };
    await using one = await keyedGateway(upstream, [WEB, OTHER], shared);
    await using two = await keyedGateway(upstream, [WEB, OTHER], shared);
    for (const { url } of [one, two]) {
      await waitFor(
        async () =>
          /^gateway_shared_state_up 1$/m.test(await (await fetch(`${url}/metrics`)).text()),
        "the server",
      );
    }
    const { id } = await make(one.url, WEB.key);
    await waitFor(async () => await fetched(two.url, WEB.key, id) === 200, "the other gateway");
    assert.equal(await fetched(two.url, OTHER.key, id), 404);
    await redis.stop();
    assert.equal(await fetched(two.url, WEB.key, id), 200, "what was heard is kept");
    assert.equal(await fetched(two.url, WEB.key, "resp_unknown"), 404);
  },
);
