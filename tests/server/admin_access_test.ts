// Who may look at the dashboard and act through it: lib/server/admin.ts by itself.

import assert from "node:assert/strict";
import type { AdminConfig } from "../../lib/config/config.ts";
import type { ClientReply, ClientRequest } from "../../lib/http/client.ts";
import { adminAccess, answerAdmin } from "../../lib/server/admin.ts";
import { ANY_BODY } from "../support/body_hold.ts";

const plain = { enabled: true, token: null, publicMetrics: true, local: false };
const guarded = { ...plain, token: "s3cret" };

function ask(
  config: typeof plain | typeof guarded,
  { method = "GET", target = "/dashboard/api/fleet", from = "127.0.0.1", headers = {} }: {
    method?: string;
    target?: string;
    from?: string;
    headers?: Record<string, string>;
  } = {},
): string {
  const all = { host: "localhost:9999", ...headers };
  const access = adminAccess(
    { method, target, remoteAddress: from, headers: Object.entries(all) },
    config,
  );
  return access.kind === "granted" ? `granted ${access.trusted}` : `${access.status}`;
}

Deno.test("without a token only this host may look", () => {
  assert.equal(ask(plain), "granted false");
  assert.equal(ask(plain, { from: "::1", headers: { host: "[::1]:9999" } }), "granted false");
  assert.equal(ask(plain, { from: "10.0.0.5" }), "403");
  assert.equal(ask(plain, { from: "10.0.0.5", target: "/dashboard" }), "403");
});

Deno.test("a proxy on this host does not open the dashboard to its clients", () => {
  for (
    const name of [
      "x-forwarded-for",
      "forwarded",
      "via",
      "x-real-ip",
      "x-forwarded-host",
      "x-forwarded-proto",
      "cf-connecting-ip",
      "true-client-ip",
      "x-envoy-external-address",
      "x-amzn-trace-id",
      "x-what-nobody-has-thought-of",
    ]
  ) {
    assert.equal(ask(plain, { headers: { [name]: "10.0.0.5" } }), "403", name);
    assert.equal(ask({ ...plain, local: true }, { headers: { [name]: "10.0.0.5" } }), "403", name);
  }
});

Deno.test("what a proxy changes shows it too: the connection, the page, the site", () => {
  for (
    const headers of [
      { connection: "close" },
      { connection: "upgrade" },
      { referer: "https://llm.example.com/dashboard/" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      // nginx with `proxy_set_header Connection ""`, as its guide to kept connections has it.
      { "sec-fetch-site": "none" },
      { "sec-ch-ua": "x" },
    ] as Record<string, string>[]
  ) assert.equal(ask(plain, { headers }), "403", JSON.stringify(headers));
  const browsers = {
    connection: "keep-alive",
    referer: "http://localhost:9999/dashboard/",
    "sec-fetch-site": "same-origin",
    "sec-ch-ua-platform": "x",
    "accept-language": "de",
    "if-none-match": '"x"',
  };
  assert.equal(ask(plain, { headers: browsers }), "granted false");
});

Deno.test("records and keys are shown with the token, or to users of this host where the file says so", () => {
  for (
    const target of [
      "/dashboard/api/records?q=x",
      "/dashboard/api/record?place=x",
      "/dashboard/api/keys?q=",
    ]
  ) {
    assert.equal(ask(plain, { target }), "403");
    assert.equal(ask(guarded, { target }), "401");
    assert.equal(ask({ ...plain, local: true }, { target }), "granted false");
    assert.equal(ask({ ...guarded, local: true }, { target }), "granted false");
    assert.equal(ask({ ...guarded, local: true }, { target, from: "10.0.0.5" }), "401");
    const headers = { authorization: "Bearer s3cret" };
    assert.equal(ask(guarded, { target, headers }), "granted true");
  }
});

Deno.test("a token that is set is needed from this host, too", () => {
  assert.equal(ask(guarded), "401");
  assert.equal(ask({ ...guarded, local: true }), "granted false");
  assert.equal(ask({ ...guarded, publicMetrics: false }, { target: "/metrics" }), "401");
});

Deno.test("a name that another site has resolve to this host is refused", () => {
  assert.equal(ask(plain, { headers: { host: "evil.example:9999" } }), "403");
  assert.equal(ask(plain, { headers: { host: "127.0.0.1.evil.example" } }), "403");
  assert.equal(ask(plain, { headers: { host: "" } }), "403");
});

Deno.test("pages of other origins are refused, with the token too", () => {
  const origin = { origin: "http://evil.example" };
  assert.equal(ask(plain, { headers: origin }), "403");
  assert.equal(ask(guarded, { headers: { ...origin, authorization: "Bearer s3cret" } }), "403");
  assert.equal(ask(plain, { headers: { origin: "http://localhost:9999" } }), "granted false");
  assert.equal(ask(plain, { headers: { origin: "null" } }), "403");
});

Deno.test("the token opens the dashboard from elsewhere, and nothing near it does", () => {
  const with_ = (authorization: string) => ({
    from: "10.0.0.5",
    headers: { authorization, host: "gateway.example" },
  });
  assert.equal(ask(guarded, with_("Bearer s3cret")), "granted true");
  assert.equal(ask(guarded, with_("bearer  s3cret")), "granted true");
  for (
    const wrong of ["Bearer s3cre", "Bearer s3cret1", "Bearer S3cret", "Basic s3cret", "s3cret"]
  ) {
    assert.equal(ask(guarded, with_(wrong)), "401", wrong);
  }
  assert.equal(ask(plain, with_("Bearer null")), "403");
});

Deno.test("the page that asks for the token can be had from elsewhere, its figures not", () => {
  assert.equal(ask(guarded, { from: "10.0.0.5", target: "/dashboard" }), "granted false");
  assert.equal(ask(guarded, { from: "10.0.0.5", target: "/dashboard/api/fleet" }), "401");
});

Deno.test("actions need the token, on this host too", () => {
  const target = "/dashboard/api/reload";
  assert.equal(ask(plain, { method: "POST", target }), "403");
  assert.equal(ask(guarded, { method: "POST", target }), "401");
  const headers = { authorization: "Bearer s3cret" };
  assert.equal(ask(guarded, { method: "POST", target, headers }), "granted true");
});

Deno.test("metrics are for anyone unless the configuration says otherwise", () => {
  const far = { target: "/metrics", from: "10.0.0.5", headers: { host: "gateway" } };
  assert.equal(ask(plain, far), "granted false");
  assert.equal(ask({ ...plain, enabled: false }, far), "granted false");
  assert.equal(ask({ ...plain, publicMetrics: false }, far), "403");
  assert.equal(ask({ ...guarded, publicMetrics: false }, far), "401");
  assert.equal(ask(plain, { ...far, method: "POST" }), "403");
});

Deno.test("switched off, there is no dashboard", () => {
  assert.equal(ask({ ...plain, enabled: false }), "404");
});

Deno.test("a stream is let go of when its client cannot be written to", async () => {
  const letGo: string[] = [];
  let watching = 0;
  const body: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.resolve({ done: false, value: new Uint8Array(1) }),
      return() {
        letGo.push("source");
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
  const client = {
    method: "GET",
    target: "/metrics",
    headers: [],
    remoteAddress: "127.0.0.1",
    gone: false,
    readBody: () => Promise.resolve(new Uint8Array()),
    onGone: () => {
      watching++;
      return () => watching--;
    },
  } as unknown as ClientRequest;
  const reply = {
    begin() {},
    write: () => Promise.reject(new Error("broken pipe")),
  } as unknown as ClientReply;
  const config = { enabled: true, publicMetrics: true } as AdminConfig;
  const handler = () => Promise.resolve({ status: 200, headers: [], body });
  await assert.rejects(answerAdmin("id", client, ANY_BODY, reply, config, handler), /broken pipe/);
  assert.deepEqual(letGo, ["source"]);
  assert.equal(watching, 0, "nobody waits any more for the client to leave");
});
