// Signed tokens in place of keys, against a real server that publishes the signer's keys.

import assert from "node:assert/strict";
import * as jose from "jose";
import { Tokens, type TokenVerdict } from "../../lib/caller/jwt/tokens.ts";
import type { JwtConfig } from "../../lib/config/access.ts";
import { Issuer, type Signer, signer } from "../support/issuer.ts";
import { waitFor } from "../support/wait.ts";

const NOW_MS = Date.parse("2026-11-26T12:00:00Z");

/** A verifier for `issuer`, whose clocks the test sets. */
class Bench {
  nowMs = NOW_MS;
  /** How far somebody has set the wall clock back. */
  setBackMs = 0;
  readonly errors: string[] = [];
  readonly tokens: Tokens;

  constructor(
    readonly issuer: Issuer,
    rules: Partial<JwtConfig> = {},
    before: Tokens | null = null,
  ) {
    this.tokens = new Tokens({
      issuer: issuer.url,
      audience: ["gateway"],
      algorithms: ["ES256", "RS256"],
      jwksUrl: `${issuer.url}/keys`,
      name: "sub",
      group: "groups.0",
      clockToleranceS: 30,
      ...rules,
    }, {
      now: () => this.nowMs,
      wallClock: () => this.nowMs - this.setBackMs,
      fetch: (url, init) => fetch(url, init),
      onError: (message) => this.errors.push(message),
    }, before);
  }

  /** A token as `from` signs it, good for five minutes unless `claims` say otherwise. */
  sign(from: Signer, claims: jose.JWTPayload = {}, head: { kid?: string } = { kid: from.kid }) {
    const s = NOW_MS / 1000;
    return new jose.SignJWT({
      iss: this.issuer.url,
      aud: "gateway",
      sub: "alice",
      groups: ["search", "all"],
      exp: s + 300,
      ...claims,
    }).setProtectedHeader({ alg: from.alg, ...head }).sign(from.privateKey);
  }

  async refusal(token: string): Promise<string> {
    const verdict = await this.tokens.bearerOf(token);
    assert.equal(verdict.kind, "refused");
    return (verdict as TokenVerdict & { kind: "refused" }).message;
  }
}

Deno.test("a signed token names its bearer and the bearer's group", async () => {
  const es = await signer("a");
  const rs = await signer("b", "RS256");
  await using issuer = new Issuer(es, rs);
  const bench = new Bench(issuer);
  for (const one of [es, rs]) {
    const verdict = await bench.tokens.bearerOf(await bench.sign(one));
    assert.deepEqual(verdict, {
      kind: "bearer",
      name: "alice",
      group: "search",
      untilMs: NOW_MS + 330_000,
    });
  }
  const alone = await bench.tokens.bearerOf(await bench.sign(es, { groups: [] }));
  assert.equal(alone.kind === "bearer" && alone.group, null);
  assert.equal(issuer.asked, 1);
});

Deno.test("a claim's name may hold dots, and a path may lead through objects", async () => {
  const one = await signer("a");
  await using issuer = new Issuer(one);
  const bench = new Bench(issuer, { name: "https://x.example/name", group: "realm.roles.1" });
  const token = await bench.sign(one, {
    "https://x.example/name": "bob",
    realm: { roles: ["r0", "r1"] },
  });
  const verdict = await bench.tokens.bearerOf(token);
  assert.deepEqual(verdict.kind === "bearer" && [verdict.name, verdict.group], ["bob", "r1"]);
  for (const name of [undefined, "", {}, "a\nb", "x".repeat(201)]) {
    const nameless = await bench.sign(one, { "https://x.example/name": name });
    assert.match(await bench.refusal(nameless), /names nobody/);
  }
});

Deno.test("expired within the tolerance is accepted, beyond it refused, in the cache as well", async () => {
  const one = await signer("a");
  await using issuer = new Issuer(one);
  const bench = new Bench(issuer);
  const token = await bench.sign(one, { exp: NOW_MS / 1000 });
  assert.equal((await bench.tokens.bearerOf(token)).kind, "bearer");
  bench.nowMs = NOW_MS + 29_000;
  assert.equal((await bench.tokens.bearerOf(token)).kind, "bearer");
  bench.nowMs = NOW_MS + 30_000;
  const verdict = await bench.tokens.bearerOf(token);
  assert.deepEqual(verdict.kind === "refused" && verdict.isExpired, true);
  const early = await bench.sign(one, { nbf: NOW_MS / 1000 + 120, exp: NOW_MS / 1000 + 300 });
  assert.match(await bench.refusal(early), /nbf/);
});

Deno.test("issuer, audience and an end are demanded", async () => {
  const one = await signer("a");
  await using issuer = new Issuer(one);
  const bench = new Bench(issuer);
  assert.match(await bench.refusal(await bench.sign(one, { iss: "https://evil" })), /claim iss/);
  assert.match(await bench.refusal(await bench.sign(one, { aud: "other" })), /claim aud/);
  assert.match(await bench.refusal(await bench.sign(one, { exp: undefined })), /claim exp/);
});

Deno.test("no signature, HS256 with the public key, and algorithms that are not pinned are refused", async () => {
  const one = await signer("a", "RS256");
  const other = await signer("b", "PS256");
  await using issuer = new Issuer(one, other);
  const bench = new Bench(issuer);
  const claims = { iss: issuer.url, aud: "gateway", sub: "alice", exp: NOW_MS / 1000 + 300 };
  const head = (alg: string) => jose.base64url.encode(JSON.stringify({ alg, kid: "a" }));
  const body = jose.base64url.encode(JSON.stringify(claims));
  for (const alg of ["none", "None", "NONE"]) {
    assert.match(await bench.refusal(`${head(alg)}.${body}.`), /signed with nothing/);
  }
  const pem = await jose.exportSPKI(await jose.importJWK(one.public, "RS256") as CryptoKey);
  for (const secret of [pem, JSON.stringify(one.public), String(one.public.n)]) {
    const forged = await new jose.SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "a" })
      .sign(new TextEncoder().encode(secret));
    assert.match(await bench.refusal(forged), /HS256, which is not accepted/);
  }
  assert.match(await bench.refusal(await bench.sign(other)), /PS256, which is not accepted/);
  assert.equal(issuer.asked, 0);
  const [h, p, s] = (await bench.sign(one)).split(".");
  const flipped = s[9] === "A" ? "B" : "A";
  assert.match(
    await bench.refusal(`${h}.${p}.${s.slice(0, 9)}${flipped}${s.slice(10)}`),
    /signature is wrong/,
  );
  assert.match(await bench.refusal(`${h}.${body}.${s}`), /signature is wrong/);
});

Deno.test("a key in the token's own head is not used", async () => {
  const [one, evil] = [await signer("a"), await signer("a")];
  await using issuer = new Issuer(one);
  const bench = new Bench(issuer);
  const claims = { iss: issuer.url, aud: "gateway", sub: "root", exp: NOW_MS / 1000 + 300 };
  const forged = await new jose.SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", kid: "a", jwk: evil.public, jku: "http://127.0.0.1:1/x" })
    .sign(evil.privateKey);
  assert.match(await bench.refusal(forged), /signature is wrong/);
});

Deno.test("an unknown kid has the keys fetched once more, and strangers not more often", async () => {
  const [one, next] = [await signer("a"), await signer("next")];
  await using issuer = new Issuer(one);
  const bench = new Bench(issuer);
  await bench.tokens.bearerOf(await bench.sign(one));
  assert.equal(issuer.asked, 1);
  issuer.keys = [one.public, next.public];
  // The first set is young: a key that was rotated within these seconds waits for them.
  assert.match(await bench.refusal(await bench.sign(next)), /unknown key/);
  assert.equal(issuer.asked, 1);
  bench.nowMs += 31_000;
  const all = await Promise.all(
    Array.from({ length: 20 }, async () => await bench.tokens.bearerOf(await bench.sign(next))),
  );
  assert.deepEqual(new Set(all.map(({ kind }) => kind)), new Set(["bearer"]));
  assert.equal(issuer.asked, 2);
  for (let i = 0; i < 50; i++) {
    assert.match(
      await bench.refusal(await bench.sign(one, { n: i }, { kid: `made-up-${i}` })),
      /unknown key/,
    );
  }
  assert.equal(issuer.asked, 2);
});

for (const kid of ["a", undefined]) {
  const name = kid === undefined ? "has no kid" : "keeps its kid";
  Deno.test(`a new key that ${name} is fetched once more, forgers or not`, async () => {
    const [one, next, forger] = [await signer("a"), await signer("a"), await signer("a")];
    const publish = ({ public: key }: Signer) => [{ ...key, kid }];
    await using issuer = new Issuer();
    issuer.keys = publish(one);
    const bench = new Bench(issuer);
    await bench.tokens.bearerOf(await bench.sign(one, {}, { kid }));
    issuer.keys = publish(next);
    const token = await bench.sign(next, {}, { kid });
    assert.match(await bench.refusal(token), /signature is wrong/);
    assert.equal(issuer.asked, 1);
    bench.nowMs += 31_000;
    assert.equal((await bench.tokens.bearerOf(token)).kind, "bearer");
    assert.equal(issuer.asked, 2);
    for (let i = 0; i < 20; i++) {
      const forged = await bench.sign(forger, { n: i }, { kid });
      assert.match(await bench.refusal(forged), /signature is wrong/);
    }
    assert.equal(issuer.asked, 2);
  });
}

/** Puts the key of `next` in the place of those there are, and waits until `token` is refused for that. */
async function withdrawn(bench: Bench, issuer: Issuer, next: Signer, token: string): Promise<void> {
  issuer.keys = [next.public];
  bench.nowMs += 11 * 60_000;
  // The set is fetched beside the request that found it old.
  await bench.tokens.bearerOf(token);
  await waitFor(() => issuer.asked >= 2, "the keys to be fetched anew");
  // One that is looked at before they are there is good for another while by the old ones.
  const isRefused = async () => {
    bench.nowMs += 5 * 60_000;
    return (await bench.tokens.bearerOf(token)).kind === "refused";
  };
  await waitFor(isRefused, "the new keys to be in force");
}

Deno.test("a key that was withdrawn opens nothing once the set has been fetched again", async () => {
  const [one, next] = [await signer("a"), await signer("b")];
  await using issuer = new Issuer(one);
  const bench = new Bench(issuer);
  const far = { exp: NOW_MS / 1000 + 86_400 };
  const token = await bench.sign(one, far);
  assert.equal((await bench.tokens.bearerOf(token)).kind, "bearer");
  await withdrawn(bench, issuer, next, token);
  assert.match(await bench.refusal(token), /unknown key/);
});

Deno.test("a clock that is set back keeps no token that was signed with a withdrawn key", async () => {
  const [one, next] = [await signer("a"), await signer("b")];
  await using issuer = new Issuer(one);
  const bench = new Bench(issuer);
  const token = await bench.sign(one, { exp: NOW_MS / 1000 + 86_400 });
  assert.equal((await bench.tokens.bearerOf(token)).kind, "bearer");
  bench.setBackMs = 3_600_000;
  await withdrawn(bench, issuer, next, token);
});

Deno.test("keys that cannot be fetched leave the old ones in force", async () => {
  const one = await signer("a");
  await using issuer = new Issuer(one);
  const bench = new Bench(issuer);
  await bench.tokens.bearerOf(await bench.sign(one));
  for (const fault of ["status", "nonsense", "empty"] as const) {
    issuer.fault = fault;
    const before = bench.errors.length;
    bench.nowMs += 11 * 60_000;
    const claims = { exp: bench.nowMs / 1000 + 60, jti: fault };
    assert.equal((await bench.tokens.bearerOf(await bench.sign(one, claims))).kind, "bearer");
    await waitFor(() => bench.errors.length > before, `an error for ${fault}`);
  }
});

Deno.test("while no keys could be had nobody is refused for it, and nobody let in", async () => {
  const one = await signer("a");
  await using issuer = new Issuer(one);
  issuer.fault = "status";
  const bench = new Bench(issuer);
  const token = await bench.sign(one);
  for (let i = 0; i < 10; i++) {
    assert.equal((await bench.tokens.bearerOf(token)).kind, "unknown");
  }
  assert.equal(issuer.asked, 1);
  issuer.fault = "none";
  bench.nowMs += 6_000;
  assert.equal((await bench.tokens.bearerOf(token)).kind, "bearer");
});

Deno.test("without jwks_url the issuer's openid-configuration says where its keys are", async () => {
  const one = await signer("a");
  await using issuer = new Issuer(one);
  const bench = new Bench(issuer, { jwksUrl: null });
  assert.equal((await bench.tokens.bearerOf(await bench.sign(one))).kind, "bearer");
  const other = new Bench(issuer, { jwksUrl: null, issuer: `${issuer.url}/` });
  assert.equal((await other.tokens.bearerOf(await other.sign(one))).kind, "unknown");
  assert.match(other.errors[0], /another issuer/);
});

Deno.test("a token without a kid is tried with every key that fits", async () => {
  const [one, two] = [await signer("a"), await signer("b")];
  await using issuer = new Issuer(one, two);
  const bench = new Bench(issuer);
  for (const from of [one, two]) {
    assert.equal((await bench.tokens.bearerOf(await bench.sign(from, {}, {}))).kind, "bearer");
  }
  const stranger = await signer("c");
  assert.match(await bench.refusal(await bench.sign(stranger, {}, {})), /signature is wrong/);
});

Deno.test("a key of the set that cannot be used opens nothing, and does not stand in the way of others", async () => {
  const [es, rs] = [await signer("a"), await signer("b", "RS256")];
  await using issuer = new Issuer(es, rs);
  const short = jose.base64url.encode(new Uint8Array(64).fill(255));
  const bad: [from: Signer, key: object][] = [
    [es, { ...es.public, x: 5 }],
    [rs, { ...rs.public, n: 5 }],
    [rs, { ...rs.public, n: short }],
    [rs, { ...rs.public, e: undefined }],
  ];
  for (const [from, key] of bad) {
    issuer.keys = [key as jose.JWK];
    assert.match(
      await new Bench(issuer).refusal(await new Bench(issuer).sign(from)),
      /key.*cannot be used/,
    );
    // A token that names no key may have been signed with any of them.
    issuer.keys = [{ ...key, kid: "other" } as jose.JWK, from.public];
    const bench = new Bench(issuer);
    assert.equal((await bench.tokens.bearerOf(await bench.sign(from, {}, {}))).kind, "bearer");
  }
});

Deno.test("an answer that is none is told with its address, and that no redirection is followed", async () => {
  const one = await signer("a");
  await using issuer = new Issuer(one);
  for (const [fault, words] of [["status", "503"], ["moved", "302"]] as const) {
    issuer.fault = fault;
    const bench = new Bench(issuer);
    assert.equal((await bench.tokens.bearerOf(await bench.sign(one))).kind, "unknown");
    const { url } = issuer;
    const why = `cannot be fetched, none is accepted: ${url}/keys answered with ${words}`;
    assert.deepEqual(bench.errors, [`The keys for tokens of ${url} ${why}`]);
  }
});

Deno.test("other rules go on with the signer's keys, which need not be there at that moment", async () => {
  const one = await signer("a");
  await using issuer = new Issuer(one);
  const bench = new Bench(issuer);
  await bench.tokens.bearerOf(await bench.sign(one));
  issuer.fault = "status";
  const next = new Bench(issuer, { group: "groups.1" }, bench.tokens);
  const verdict = await next.tokens.bearerOf(await next.sign(one));
  assert.equal(verdict.kind === "bearer" && verdict.group, "all");
  const elsewhere = new Bench(issuer, { jwksUrl: `${issuer.url}/others` }, bench.tokens);
  assert.equal((await elsewhere.tokens.bearerOf(await elsewhere.sign(one))).kind, "unknown");
});

Deno.test("only what has the form of a token is taken for one", async () => {
  const one = await signer("a");
  await using issuer = new Issuer(one);
  const bench = new Bench(issuer);
  assert.ok(Tokens.isOne(await bench.sign(one)));
  for (const text of ["", "eyJ", "sk-sag-x", "eyJ.a", "eyJ.a.b.c"]) {
    assert.ok(!Tokens.isOne(text), text);
  }
  const long = `eyJ.${"a".repeat(20_000)}.b`;
  assert.ok(Tokens.isOne(long));
  assert.match(await bench.refusal(long), /longer than 16384 characters/);
  assert.match(await bench.refusal("eyJ9.e30.x"), /signed with nothing/);
});
