// What clients say of their sessions, over real sockets. Numbers are those of the edge cases in
// docs/decisions/routing.md.

import assert from "node:assert/strict";
import { makeKey } from "./access/keyed.ts";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { completion, startUpstream } from "../support/upstream.ts";

let asked = 0;

async function fleet(more: Record<string, unknown> = {}) {
  const stack = new AsyncDisposableStack();
  const upstreams = ["a", "b", "c", "d"].map((name) => ({
    name,
    upstream: stack.use(startUpstream(() => completion(name))),
  }));
  const gateway = stack.use(
    await startGateway({
      config: {
        instances: upstreams.map(({ name, upstream }) => ({
          url: upstream.url,
          model_name: "m",
          name,
        })),
        load_balancing_strategy: "prefix_aware",
        health_check: false,
        scrape: false,
        ...more,
      },
    }),
  );
  return { gateway, upstreams, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Asks with a prompt that has nothing in common with any other; instance and reason. */
async function ask(
  gateway: GatewayProcess,
  more: { headers?: Record<string, string>; body?: Record<string, unknown> } = {},
): Promise<{ instance: string; by: string }> {
  const content = `question ${asked++} `.repeat(100);
  const body = { model: "m", messages: [{ role: "user", content }], ...more.body };
  const answer = await gateway.post("/v1/chat/completions", body, { headers: more.headers });
  assert.equal(answer.status, 200, await answer.text());
  const route = answer.headers.get("x-gateway-route") ?? "";
  return {
    instance: answer.headers.get("x-gateway-instance")!,
    by: /by=(\w+)/.exec(route)?.[1] ?? "",
  };
}

const NAMES: Record<string, { headers?: Record<string, string>; body?: Record<string, unknown> }> =
  {
    "the header x-session-id": { headers: { "x-session-id": "s 1" } },
    "Claude Code's header": { headers: { "x-claude-code-session-id": "s2" } },
    "the field session_id": { body: { session_id: "s3" } },
    "the field prompt_cache_key": { body: { prompt_cache_key: "s4" } },
  };

Deno.test("a session stays with its instance, however it is named", async () => {
  await using stand = await fleet();
  for (const [what, named] of Object.entries(NAMES)) {
    const { instance } = await ask(stand.gateway, named);
    for (let turn = 0; turn < 4; turn++) {
      assert.deepEqual(await ask(stand.gateway, named), { instance, by: "session" }, what);
    }
  }
});

Deno.test("33: what is no name of a session is passed on and of no account", async () => {
  await using stand = await fleet();
  const long = "x".repeat(5000);
  const odd: typeof NAMES = {
    "a long header": { headers: { "x-session-id": long } },
    "an empty header": { headers: { "x-session-id": "" } },
    "a long field": { body: { session_id: long } },
    "a field with control characters": { body: { session_id: "a\nb" } },
    "a number": { body: { session_id: 5 } },
    "an object": { body: { prompt_cache_key: { a: 1 } } },
    "null": { body: { session_id: null } },
    "a request's id": { headers: { "x-request-id": "always the same" } },
    "a user": { body: { user: "u" } },
  };
  for (const [what, named] of Object.entries(odd)) {
    for (let n = 0; n < 3; n++) {
      assert.notEqual((await ask(stand.gateway, named)).by, "session", what);
    }
  }
  const texts = stand.upstreams.flatMap(({ upstream }) => upstream.seen.map(({ text }) => text));
  assert.ok(texts.some((text) => text.includes('"session_id":5')), "passed as it came");
});

Deno.test("pin, other names and off are as the file says; other strategies know no sessions", async () => {
  const header = { headers: { "x-session-id": "s" } };
  await using pinned = await fleet({ routing: { session: { mode: "pin", body: ["user"] } } });
  const { instance } = await ask(pinned.gateway, { body: { user: "u" } });
  for (let n = 0; n < 3; n++) {
    assert.deepEqual(await ask(pinned.gateway, { body: { user: "u" } }), {
      instance,
      by: "session",
    });
    assert.notEqual((await ask(pinned.gateway, { body: { session_id: "s" } })).by, "session");
  }
  for (
    const more of [
      { routing: { session: { mode: "off" } } },
      { load_balancing_strategy: "bounded_hash" },
      { load_balancing_strategy: "round_robin" },
    ]
  ) {
    await using plain = await fleet(more);
    for (let n = 0; n < 3; n++) assert.notEqual((await ask(plain.gateway, header)).by, "session");
  }
});

Deno.test("sessions of one name of two callers have nothing to do with each other", async () => {
  const keys = ["one", "other"].map((name) => makeKey(name));
  await using stand = await fleet({ keys: keys.map(({ line }) => line) });
  const of = (at: number) => ({
    headers: { authorization: `Bearer ${keys[at].key}`, "x-session-id": "main" },
  });
  await ask(stand.gateway, of(0));
  assert.notEqual((await ask(stand.gateway, of(1))).by, "session");
  assert.equal((await ask(stand.gateway, of(0))).by, "session");
});

Deno.test("a session whose instance fails goes on at the one that answered instead", async () => {
  const failing = new Set<string>();
  await using stack = new AsyncDisposableStack();
  const instances = ["a", "b", "c"].map((name) => ({
    name,
    model_name: "m",
    url: stack.use(
      startUpstream(() =>
        failing.has(name) ? new Response(null, { status: 500 }) : completion(name)
      ),
    ).url,
  }));
  await using gateway = await startGateway({
    config: {
      instances,
      load_balancing_strategy: "prefix_aware",
      health_check: false,
      scrape: false,
    },
  });
  const named = { headers: { "x-session-id": "s" } };
  const first = await ask(gateway, named);
  failing.add(first.instance);
  const second = await ask(gateway, named);
  assert.notEqual(second.instance, first.instance);
  failing.clear();
  assert.deepEqual(await ask(gateway, named), { instance: second.instance, by: "session" });
});
