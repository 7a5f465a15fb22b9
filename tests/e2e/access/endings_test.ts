// How keys end: taken away, at once or when their streams are over, expired, rotated.

import assert from "node:assert/strict";
import { hashOfKey, newKey } from "../../../lib/caller/key.ts";
import { type GatewayProcess, startGateway } from "../../support/processes.ts";
import { completion, startUpstream, type Upstream } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";
import { ASK, bearer, errorOf, keyedGateway, makeKey } from "./keyed.ts";

/** Puts `keys` in force in a gateway of `keyedGateway`. */
async function reloadKeys(gateway: GatewayProcess, upstream: Upstream, keys: readonly unknown[]) {
  const config = {
    instances: [{ url: upstream.url, model_name: ["m", "other"] }],
    health_check: false,
    keys,
  };
  await gateway.writeConfig(config);
  await waitFor(() => gateway.output().includes("configuration reloaded"), "the reload");
}

/** The first answer that is no 200: it came after `moment`, and none before it was asked for later. */
async function firstRefused(ask: () => Promise<Response>, moment: number): Promise<Response> {
  while (true) {
    const asked = Date.now();
    const response = await ask();
    if (response.status !== 200) {
      assert.ok(Date.now() >= moment, `${response.status} before its time`);
      return response;
    }
    await response.body?.cancel();
    assert.ok(asked <= moment, `served ${asked - moment} ms after its time`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("access 4: a key that is taken away while its stream runs lets that end, and is unknown then", async () => {
  const goesOn = Promise.withResolvers<void>();
  await using upstream = startUpstream(() => {
    const event = (delta: object, finish: string | null) =>
      `data: ${
        JSON.stringify({
          id: "x",
          object: "chat.completion.chunk",
          created: 1,
          model: "m",
          choices: [{ index: 0, delta, finish_reason: finish }],
        })
      }\n\n`;
    const body = new ReadableStream<string>({
      async start(controller) {
        controller.enqueue(event({ content: "one" }, null));
        await goesOn.promise;
        controller.enqueue(event({ content: " two" }, "stop") + "data: [DONE]\n\n");
        controller.close();
      },
    });
    return new Response(body.pipeThrough(new TextEncoderStream()), {
      headers: { "content-type": "text/event-stream" },
    });
  });
  const [web, other] = [makeKey("web"), makeKey("other")];
  const config = {
    instances: [{ url: upstream.url, model_name: "m" }],
    health_check: false,
  };
  await using gateway = await startGateway({ config: { ...config, keys: [web.line, other.line] } });
  const stream = await gateway.post(
    "/v1/chat/completions",
    { ...ASK, stream: true },
    bearer(web.key),
  );
  assert.equal(stream.status, 200);
  await gateway.writeConfig({ ...config, keys: [other.line] });
  await waitFor(() => gateway.output().includes("configuration reloaded"), "the reload");
  const next = await gateway.post("/v1/chat/completions", ASK, bearer(web.key));
  assert.equal(next.status, 401);
  await next.body?.cancel();
  goesOn.resolve();
  assert.match(await stream.text(), / two[^]*\[DONE\]/);
});

Deno.test("access 4: keys revoke --now ends the key's streams with an error event, in every worker", async () => {
  const chunk = (content: string) => ({
    id: "x",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
  });
  await using upstream = startUpstream(() => {
    let count = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        const data = JSON.stringify(chunk(`w${count++} `));
        controller.enqueue(new TextEncoder().encode(`data: ${data}\n\n`));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const [web, other] = [makeKey("web"), makeKey("other")];
  const config = {
    instances: [{ url: upstream.url, model_name: "m" }],
    health_check: false,
    workers: 2,
  };
  await using gateway = await startGateway({ config: { ...config, keys: [web.line, other.line] } });
  const open = (key: string) =>
    gateway.post("/v1/chat/completions", { ...ASK, stream: true }, bearer(key));
  const streams = await Promise.all([open(web.key), open(web.key), open(web.key)]);
  const kept = await open(other.key);
  const disabled = { ...web.line, disabled: "now" };
  await gateway.writeConfig({ ...config, keys: [disabled, other.line] });
  for (const stream of streams) {
    const text = await stream.text();
    assert.match(text, /data: .*taken away.*\n\n$/);
    assert.doesNotMatch(text, /\[DONE\]/);
  }
  await waitFor(
    () => upstream.seen.filter(({ aborted }) => aborted).length === 3,
    "the instance to be left",
  );
  await waitFor(() => gateway.output().includes("configuration reloaded"), "the reload");
  const next = await gateway.post("/v1/chat/completions", ASK, bearer(web.key));
  assert.equal(next.status, 403);
  await next.body?.cancel();
  const reader = kept.body!.getReader();
  assert.ok(!(await reader.read()).done);
  await reader.cancel();
});

Deno.test("access 4: a key that expires is refused from that moment on", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const web = makeKey("web", { expires: new Date(Date.now() + 3_600_000).toISOString() });
  await using gateway = await keyedGateway(upstream, [web]);
  const ask = () => gateway.post("/v1/chat/completions", ASK, bearer(web.key));
  const before = await ask();
  await before.body?.cancel();
  assert.equal(before.status, 200);
  const soon = Date.now() + 2000;
  await reloadKeys(gateway, upstream, [{ ...web.line, expires: new Date(soon).toISOString() }]);
  const refused = await firstRefused(ask, soon);
  assert.equal(refused.status, 403);
  const error = await errorOf(refused);
  assert.equal(error.reason, "key_expired");
  assert.equal(error.type, "PermissionDeniedError");
});

Deno.test("access 5: the key before a rotation works until its time, and counts against the same limits", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const old = newKey();
  const previous = (untilMs: number) => ({
    previous: [{ hash: `sha256:${hashOfKey(old)}`, until: new Date(untilMs).toISOString() }],
  });
  const web = makeKey("web", { requests_per_minute: 2, ...previous(Date.now() + 3_600_000) });
  await using gateway = await keyedGateway(upstream, [web]);
  const ask = (key: string) => gateway.post("/v1/chat/completions", ASK, bearer(key));
  const statuses = [];
  for (const key of [old, web.key, old, web.key]) {
    const response = await ask(key);
    await response.body?.cancel();
    statuses.push(response.status);
  }
  assert.deepEqual(statuses, [200, 200, 429, 429]);
  const soon = Date.now() + 2000;
  await reloadKeys(gateway, upstream, [
    { ...web.line, ...previous(soon), requests_per_minute: 1_000_000 },
  ]);
  const refused = await firstRefused(() => ask(old), soon);
  assert.equal(refused.status, 401);
  await refused.body?.cancel();
  const next = await ask(web.key);
  assert.equal(next.status, 200);
  await next.body?.cancel();
});
