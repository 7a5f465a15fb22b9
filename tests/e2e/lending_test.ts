// An instance's own key: what it is lent for, and what of a client's goes along with it.

import assert from "node:assert/strict";
import { quietGatewayFor } from "../support/gateway_for.ts";
import { startUpstream } from "../support/upstream.ts";

const BODY = { model: "demo", messages: [], input: "x", prompt: "x" };

Deno.test("a key is lent for inference and for nothing else of the account behind it", async () => {
  await using vendor = startUpstream();
  await using gateway = await quietGatewayFor([{ url: vendor.url, api_key: "VENDORKEY" }]);
  for (
    const path of [
      "/v1/chat/completions",
      "/v1/completions",
      "/v1/responses",
      "/v1/messages",
      "/v1/messages/count_tokens",
      "/v1/embeddings",
      "/v1/responses/input_tokens",
      "/v1/responses/compact",
      "/v1/chat/completions/render",
      "/v2/rerank",
      "/tokenize",
      "/generative_scoring",
    ]
  ) {
    const response = await gateway.post(path, BODY);
    await response.body?.cancel();
    assert.equal(response.status, 200, path);
    assert.equal(vendor.seen.at(-1)!.headers.get("authorization"), "Bearer VENDORKEY");
  }
  const asked = vendor.seen.length;
  for (
    const [method, path] of [
      ["GET", "/v1/files"],
      ["DELETE", "/v1/files/file-abc"],
      ["POST", "/v1/fine_tuning/jobs"],
      ["GET", "/v1/organization/admin_api_keys"],
      ["GET", "/v1/chat/completions"],
      ["DELETE", "/v1/chat/completions/chatcmpl-1"],
      ["POST", "/v1/chat/completions/chatcmpl-1"],
      ["GET", "/v1/batches"],
      ["PUT", "/v1/embeddings"],
      ["POST", "/v1/assistants"],
      ["FOO", "/v1/chat/completions"],
    ]
  ) {
    const body = method === "GET" ? undefined : JSON.stringify(BODY);
    const response = await fetch(gateway.url + path, { method, body });
    await response.body?.cancel();
    assert.ok([404, 405].includes(response.status), `${method} ${path}: ${response.status}`);
  }
  assert.equal(vendor.seen.length, asked);
});

Deno.test("passthrough lends the key for more, and an instance without one takes all of /v1", async () => {
  await using vendor = startUpstream();
  await using own = startUpstream();
  await using gateway = await quietGatewayFor([
    { url: vendor.url, api_key: "VENDORKEY", passthrough: ["/v1/files"] },
    { url: own.url, name: "own" },
  ]);
  const ask = async (path: string) => {
    const response = await fetch(gateway.url + path);
    await response.body?.cancel();
    return response.status;
  };
  for (let round = 0; round < 4; round++) {
    assert.equal(await ask("/v1/batches"), 200);
    assert.equal(await ask("/v1/filesystem"), 200);
    assert.equal(await ask("/v1/files/file-abc"), 200);
  }
  const targets = new Set(vendor.seen.map(({ target }) => target));
  assert.deepEqual([...targets], ["/v1/files/file-abc"]);
  assert.ok(own.seen.some(({ target }) => target === "/v1/batches"));
});

Deno.test("no credential of the client's reaches an instance with a key of its own", async () => {
  await using vendor = startUpstream();
  await using gateway = await quietGatewayFor([{ url: vendor.url, api_key: "VENDORKEY" }]);
  const headers = Object.fromEntries(
    [
      "authorization",
      "cookie",
      "api-key",
      "x-api-key",
      "x-goog-api-key",
      "xi-api-key",
      "ocp-apim-subscription-key",
      "x-auth-token",
      "x-amz-security-token",
      "openai-organization",
      "helicone-auth",
      "cf-aig-authorization",
      "cf-access-jwt-assertion",
      "x-amzn-oidc-accesstoken",
      "x-amzn-oidc-data",
      "x-forwarded-access-token",
      "x-forwarded-client-cert",
      "x-csrftoken",
      "private-token",
      "apikey",
      "token",
      "x-jwt",
      "x-gateway-secret",
    ].map((name) => [name, "client-secret"]),
  );
  const path = "/v1/chat/completions?key=client-secret&a=b&api_key=client-secret" +
    "&subscription-key=client-secret&api%5Fkey=client-secret&access_token=client-secret" +
    "&X-Amz-Signature=client-secret&TOKEN=client-secret&%zz=1&max_tokens=5";
  const kept = { "x-other": "kept", "idempotency-key": "kept", "x-session-id": "kept" };
  const response = await gateway.post(path, BODY, { headers: { ...headers, ...kept } });
  await response.body?.cancel();
  const [asked] = vendor.seen;
  assert.ok(![...asked.headers.values()].some((value) => value.includes("client-secret")));
  assert.equal(asked.headers.get("authorization"), "Bearer VENDORKEY");
  for (const name of Object.keys(kept)) assert.equal(asked.headers.get(name), "kept", name);
  assert.equal(asked.target, "/v1/chat/completions?a=b&%zz=1&max_tokens=5");
});
