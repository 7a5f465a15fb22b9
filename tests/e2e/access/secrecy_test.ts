// What is never told of a key: to an instance, in a log, a record, an error or on a page.

import assert from "node:assert/strict";
import { join } from "node:path";
import { hashOfKey } from "../../../lib/caller/key.ts";
import { completion, sse, startUpstream } from "../../support/upstream.ts";
import { recordsOf } from "../../support/records.ts";
import { waitFor } from "../../support/wait.ts";
import { ASK, bearer, keyedGateway, makeKey } from "./keyed.ts";

Deno.test("access 3: a client's key reaches no instance, log, record or error", async () => {
  await using upstream = startUpstream((seen) =>
    seen.text.includes("stream")
      ? sse([
        {
          id: "x",
          object: "chat.completion.chunk",
          created: 1,
          model: "m",
          choices: [{ index: 0, delta: { content: "hi" }, finish_reason: "stop" }],
        },
        "[DONE]",
      ])
      : seen.text.includes("fail")
      ? new Response(JSON.stringify([...seen.headers]), { status: 500 })
      : completion("hi")
  );
  const web = makeKey("web");
  await using gateway = await keyedGateway(upstream, [web], {
    fallback_instances: [{ url: upstream.url, model_name: "m" }],
    log: { level: "debug", format: "text" },
    retry: { max_wait: 0 },
  });
  const told: string[] = [];
  const ask = async (more: object, headers: Record<string, string>) => {
    const response = await gateway.post("/v1/chat/completions", { ...ASK, ...more }, { headers });
    told.push(JSON.stringify([...response.headers]), await response.text());
    return response.status;
  };
  const ways: Record<string, string>[] = [
    { authorization: `Bearer ${web.key}` },
    { "x-api-key": web.key },
    { authorization: `Bearer ${web.key}`, "api-key": web.key, cookie: `key=${web.key}` },
  ];
  for (const way of ways) {
    assert.equal(await ask({}, way), 200);
    assert.equal(await ask({ stream: true }, way), 200);
    assert.ok(await ask({ user: "fail" }, way) >= 500);
    assert.equal(await ask({ model: "unknown" }, way), 404);
  }
  await gateway.post(`/v1/chat/completions?api_key=${web.key}`, ASK).then((response) =>
    response.text()
  ).then((text) => told.push(text));
  const records = await recordsOf(gateway, 2 * ways.length);
  assert.equal(records[0].meta.key, "web");
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  for (const seen of upstream.seen) {
    assert.equal(seen.headers.get("authorization"), null);
    told.push(JSON.stringify([...seen.headers]), seen.text, seen.path);
  }
  await gateway.stop();
  const all = [...told, metrics, gateway.output(), ...await filesIn(gateway.dataDir)].join("\n");
  assert.ok(!all.includes(web.key), "the key is told");
  assert.ok(!all.includes(web.key.slice(20)), "a part of the key is told");
  assert.ok(!all.includes(hashOfKey(web.key)), "its hash is told");
});

async function filesIn(folder: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) texts.push(...await filesIn(path));
    else texts.push(await Deno.readTextFile(path));
  }
  return texts;
}

Deno.test("access 3: a key that a client writes where none belongs is not written down", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const web = makeKey("web");
  await using gateway = await keyedGateway(upstream, [web], {
    log: { level: "debug", format: "text" },
    admin: { token: "t".repeat(16) },
  });
  const { headers } = bearer(web.key);
  const places: (() => Promise<Response>)[] = [
    // Its base URL has the key in it.
    () => gateway.post(`/${web.key}/v1/chat/completions`, ASK, { headers }),
    () => fetch(`${gateway.url}/v1/models/${web.key}`, { headers }),
    () => fetch(`${gateway.url}/v1/responses/${web.key}`, { headers }),
    () => gateway.post("/v1/chat/completions", { ...ASK, model: web.key }, { headers }),
    () =>
      gateway.post("/v1/chat/completions", ASK, {
        headers: { ...headers, "x-request-id": web.key },
      }),
    // Cut short, with nobody known to bring it.
    () => gateway.post(`/${web.key.slice(0, -6)}/v1/chat/completions`, ASK),
  ];
  for (const ask of places) await (await ask()).body?.cancel();
  const secret = web.key.slice(16, -6);
  const shown = async () => {
    const response = await fetch(`${gateway.url}/dashboard/api/requests`, {
      headers: { authorization: `Bearer ${"t".repeat(16)}` },
    });
    return await response.text();
  };
  await waitFor(
    async () => JSON.parse(await shown()).requests.length === places.length,
    "all to be shown",
  );
  const finished = () => gateway.output().match(/\[INF\] request /g)?.length ?? 0;
  await waitFor(() => finished() === places.length, () => `all to be logged: ${gateway.output()}`);
  assert.doesNotMatch(gateway.output() + await shown(), new RegExp(secret));
  assert.match(gateway.output(), /\/v1\/models\/sk-sag-....\*\*\*\*/);
});
