// Whom a gateway lets in by its address, and whom it takes for a user of its own host; over both listeners.

import assert from "node:assert/strict";
import { type GatewayProcess, startGateway, startSimulators } from "../support/processes.ts";
import { rawRequest } from "../support/raw_http.ts";
import { waitFor } from "../support/wait.ts";

const LISTENERS = ["http1", "deno_serve"] as const;

const simulators = () => startSimulators({ args: ["--model", "m"] });

function config(urls: string[], more: Record<string, unknown>): Record<string, unknown> {
  return { instances: urls.map((url) => ({ url, model_name: "m" })), ...more };
}

const CHAT = { model: "m", messages: [{ role: "user", content: "hi" }] };

/** The status of one request, by a connection of its own. */
async function status(
  gateway: GatewayProcess,
  path: string,
  headers: Record<string, string> = {},
): Promise<number | null> {
  const lines = Object.entries({ host: `localhost:${gateway.port}`, ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const parts = [`GET ${path} HTTP/1.1\r\n${lines}\r\n`];
  const until = (answer: { status: number | null }) => answer.status !== null;
  return (await rawRequest({ port: gateway.port, parts, until })).status;
}

for (const listener of LISTENERS) {
  Deno.test(`access 10: only addresses that are allowed come in (${listener})`, async () => {
    await using fleet = await simulators();
    const allow = { allow_addresses: ["10.0.0.0/8"], trusted_proxies: ["127.0.0.1"] };
    await using gateway = await startGateway({
      config: config(fleet.urls, { listener, access: allow }),
    });
    const from = async (address: string | null, path = "/v1/chat/completions") => {
      const headers: Record<string, string> = address === null
        ? {}
        : { "x-forwarded-for": address };
      const answer = await gateway.post(path, CHAT, { headers });
      return { status: answer.status, body: await answer.json() };
    };
    assert.equal((await from("10.1.2.3")).status, 200);
    assert.equal((await from("::ffff:10.1.2.3")).status, 200);
    assert.equal((await from("[::ffff:10.1.2.3]:99")).status, 200);
    for (const address of [null, "192.0.2.1", "10.1.2.3, 192.0.2.1", "unknown", ""]) {
      const refused = await from(address);
      assert.equal(refused.status, 403, String(address));
      assert.match(refused.body.error.message, /access\.allow_addresses/);
    }
    const messages = await from("192.0.2.1", "/v1/messages");
    assert.deepEqual([messages.status, messages.body.error.type], [403, "permission_error"]);
    assert.equal(await status(gateway, "/v1/models", { "x-forwarded-for": "192.0.2.1" }), 403);
    assert.equal(await status(gateway, "/metrics", { "x-forwarded-for": "192.0.2.1" }), 403);
    assert.equal(await status(gateway, "/health", { "x-forwarded-for": "192.0.2.1" }), 200);
    assert.equal((await fleet.requests(0)).filter(({ method }) => method === "POST").length, 3);
  });

  Deno.test(`access 10: a trusted proxy on this host may speak for its users (${listener})`, async () => {
    await using fleet = await simulators();
    await using gateway = await startGateway({ config: config(fleet.urls, { listener }) });
    const forwarded = (value: string) => ({
      "x-forwarded-for": value,
      "x-forwarded-proto": "http",
    });
    const page = (headers = {}) => status(gateway, "/dashboard/api/fleet", headers);
    assert.equal(await page(), 200);
    // Nobody is trusted: whatever a proxy adds shows that there is one.
    assert.equal(await page(forwarded("127.0.0.1")), 403);
    const trusted = { access: { trusted_proxies: ["127.0.0.0/8", "10.0.0.0/8"] } };
    await gateway.writeConfig(config(fleet.urls, { listener, ...trusted }));
    await gateway.process.waitForOutput(/config(uration)? (was )?reloaded|reloaded/);
    await waitFor(async () => await page(forwarded("127.0.0.1")) === 200, () => "the new rules");
    assert.equal(await page(forwarded("192.0.2.1")), 403);
    assert.equal(await page(forwarded("127.0.0.1, 192.0.2.1")), 403);
    // Another host's loopback address is not this host's.
    assert.equal(await page(forwarded("127.0.0.1, 10.0.0.2")), 403);
    assert.equal(await page({ ...forwarded("127.0.0.1"), "cf-connecting-ip": "192.0.2.1" }), 403);
    assert.equal(await page({ ...forwarded("127.0.0.1"), host: "llm.example.com" }), 403);
    assert.equal(await page(), 200);
  });
}
