// Signed tokens at the door of a gateway: who their bearer is, what is said of bad ones, and where none of
// them may be seen.

import assert from "node:assert/strict";
import * as jose from "jose";
import { Issuer, type Signer, signer } from "../../support/issuer.ts";
import { recordsOf } from "../../support/records.ts";
import { completion, startUpstream } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";
import { ASK, bearer, errorOf, keyedGateway, makeKey, statusOf } from "./keyed.ts";

function sign(issuer: Issuer, from: Signer, claims: jose.JWTPayload = {}): Promise<string> {
  return new jose.SignJWT({
    iss: issuer.url,
    aud: "gateway",
    sub: "alice",
    groups: ["search"],
    exp: Math.floor(Date.now() / 1000) + 300,
    ...claims,
  }).setProtectedHeader({ alg: from.alg, kid: from.kid }).sign(from.privateKey);
}

const config = (issuer: Issuer) => ({
  access: {
    jwt: { issuer: issuer.url, audience: "gateway", group: "groups.0", clock_tolerance: 0 },
  },
  groups: [{ name: "search", requests_per_minute: 100 }],
  limits: { requests_per_minute: 3 },
});

Deno.test("access 3: a token's bearer has limits, a name in records, and its token ends at the gateway", async () => {
  const key = await signer("a");
  await using issuer = new Issuer(key);
  await using upstream = startUpstream(() => completion("hi"));
  const own = makeKey("web");
  await using gateway = await keyedGateway(upstream, [own], config(issuer));
  const token = await sign(issuer, key);
  for (let i = 0; i < 3; i++) {
    const response = await gateway.post("/v1/chat/completions", ASK, bearer(token));
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("x-ratelimit-remaining-requests"), String(2 - i));
    await response.body?.cancel();
  }
  const fourth = await gateway.post("/v1/chat/completions", ASK, bearer(token));
  assert.equal(fourth.status, 429);
  assert.match(String((await errorOf(fourth)).message), /`alice`/);
  // Keys go on beside tokens, with limits of their own.
  const beside = await gateway.post("/v1/chat/completions", ASK, bearer(own.key));
  assert.equal(beside.status, 200);
  await beside.body?.cancel();
  const found = await recordsOf(gateway, 4);
  const metas = found.map(({ meta }) => meta as Record<string, unknown>);
  assert.deepEqual(metas.map(({ key, group }) => [key, group]).sort(), [
    ["alice", "search"],
    ["alice", "search"],
    ["alice", "search"],
    ["web", undefined],
  ]);
  assert.ok(upstream.seen.every(({ headers }) => headers.get("authorization") === null));
  const [, , signature] = token.split(".");
  await gateway.stop();
  assert.ok(!gateway.output().includes(signature));
  assert.ok(!JSON.stringify(found).includes(signature));
});

Deno.test("access: limits of who brings a token, and of a group that only tokens name, are filled up again", async () => {
  const key = await signer("a");
  await using issuer = new Issuer(key);
  await using upstream = startUpstream(() => completion("hi"));
  const token = "the-admin-token-of-this-test";
  await using gateway = await keyedGateway(upstream, [makeKey("web")], {
    ...config(issuer),
    groups: [{ name: "search", requests_per_minute: 4 }],
    admin: { token },
    workers: 2,
  });
  const held = await sign(issuer, key);
  const asked = () => statusOf(gateway.post("/v1/chat/completions", ASK, bearer(held)));
  const reset = (kind: string, name: string) =>
    statusOf(gateway.post("/dashboard/api/reset_limits", { kind, name }, bearer(token)));
  for (const expected of [200, 200, 200, 429]) assert.equal(await asked(), expected);
  assert.equal(await reset("key", "alice"), 200);
  for (const expected of [200, 429]) assert.equal(await asked(), expected, "her group has four");
  assert.equal(await reset("group", "nobody"), 404);
  assert.equal(await reset("group", "search"), 200);
  assert.equal(await asked(), 200);
});

Deno.test("a token that is forged, over or for others is a 401 that says why, in the caller's API", async () => {
  const [key, stranger] = [await signer("a"), await signer("a")];
  await using issuer = new Issuer(key);
  await using upstream = startUpstream(() => completion("hi"));
  await using gateway = await keyedGateway(upstream, [], config(issuer));
  const past = { exp: Math.floor(Date.now() / 1000) - 5 };
  const cases: [token: string, reason: string, words: RegExp][] = [
    [await sign(issuer, stranger), "invalid_token", /signature is wrong/],
    [await sign(issuer, key, past), "token_expired", /has expired/],
    [await sign(issuer, key, { aud: "other" }), "invalid_token", /claim aud/],
    [await sign(issuer, key, { sub: "" }), "invalid_token", /names nobody/],
  ];
  for (const [token, reason, words] of cases) {
    const response = await gateway.post("/v1/chat/completions", ASK, bearer(token));
    assert.equal(response.status, 401);
    const error = await errorOf(response);
    assert.equal(error.reason, reason);
    assert.match(String(error.message), words);
    assert.ok(!JSON.stringify(error).includes(token.slice(-20)));
    const messages = await gateway.post("/v1/messages", { ...ASK, max_tokens: 5 }, bearer(token));
    assert.equal(messages.status, 401);
    assert.equal((await errorOf(messages)).type, "authentication_error");
  }
  assert.equal(upstream.seen.length, 0);
});

Deno.test("access 4: who is taken away while the keys for his token are fetched does not come in", async () => {
  const key = await signer("a");
  await using issuer = new Issuer(key);
  const held = Promise.withResolvers<void>();
  issuer.held = held.promise;
  await using upstream = startUpstream(() => completion("hi"));
  const named = (more: object) => ({ ...config(issuer), keys: [{ name: "alice", ...more }] });
  await using gateway = await keyedGateway(upstream, [], named({}));
  const token = await sign(issuer, key);
  const asked = gateway.post("/v1/chat/completions", ASK, bearer(token));
  await waitFor(() => issuer.asked > 0, "the question for the keys");
  await gateway.writeConfig({
    ...JSON.parse(await Deno.readTextFile(gateway.configPath)),
    ...named({ disabled: "now" }),
  });
  // Not when it is noticed: the question is given up after a while.
  gateway.process.signal("SIGHUP");
  await gateway.process.waitForOutput(/configuration reloaded/);
  held.resolve();
  const response = await asked;
  assert.equal(response.status, 403);
  assert.equal((await errorOf(response)).reason, "key_disabled");
  assert.equal(upstream.seen.length, 0);
});

Deno.test("while the signer's keys cannot be had the answer is 503, and then the token is good", async () => {
  const key = await signer("a");
  await using issuer = new Issuer(key);
  issuer.fault = "status";
  await using upstream = startUpstream(() => completion("hi"));
  await using gateway = await keyedGateway(upstream, [], config(issuer));
  const token = await sign(issuer, key);
  const response = await gateway.post("/v1/chat/completions", ASK, bearer(token));
  assert.equal(response.status, 503);
  assert.ok(Number(response.headers.get("retry-after")) >= 1);
  await response.body?.cancel();
  issuer.fault = "none";
  // A fetch that failed is tried again five seconds later.
  await waitFor(async () => {
    const again = await gateway.post("/v1/chat/completions", ASK, bearer(token));
    await again.body?.cancel();
    return again.status === 200;
  }, () => gateway.output());
});
