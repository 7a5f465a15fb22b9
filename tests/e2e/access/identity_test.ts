// Keys and identity: who is let in, and as what. What is never told of a key: secrecy_test.ts.

import assert from "node:assert/strict";
import { join } from "node:path";
import { newKey } from "../../../lib/caller/key.ts";
import { startGateway } from "../../support/processes.ts";
import { completion, startUpstream } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";
import { ASK, bearer, errorOf, keyedGateway, makeKey, statusOf, storedResponse } from "./keyed.ts";

Deno.test("access 1: without keys and without a keys file anyone may ask, and his credentials pass", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      keys: [],
    },
  });
  const open = await gateway.post("/v1/chat/completions", ASK);
  assert.equal(open.status, 200);
  assert.equal(open.headers.get("x-ratelimit-limit-requests"), null);
  await open.body?.cancel();
  const named = await gateway.post("/v1/chat/completions", ASK, bearer("own-key"));
  await named.body?.cancel();
  assert.equal(upstream.seen[1].headers.get("authorization"), "Bearer own-key");
});

Deno.test("access 1: a keys file that is missing, empty or broken keeps the gateway from starting", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const config = { instances: [{ url: upstream.url, model_name: "m" }], keys_file: "keys.jsonc" };
  await assert.rejects(startGateway({ config }), /keys\.jsonc:1:1: the keys file does not exist/);
  for (const [text, fault] of [["", /the file is empty/], ["[", /keys\.jsonc:1:/]] as const) {
    const folder = await Deno.makeTempDir();
    const file = join(folder, "keys.jsonc");
    await Deno.writeTextFile(file, text);
    await assert.rejects(startGateway({ config: { ...config, keys_file: file } }), fault);
    await Deno.remove(folder, { recursive: true });
  }
  const folder = await Deno.makeTempDir();
  const file = join(folder, "keys.jsonc");
  await Deno.writeTextFile(file, "[]");
  await assert.rejects(startGateway({ config: { ...config, keys_file: file } }), /no key in it/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("access 1: a keys file that breaks while the gateway runs leaves the old keys in force, and that is said", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const [first, second] = [makeKey("first"), makeKey("second")];
  const folder = await Deno.makeTempDir();
  const file = join(folder, "keys.jsonc");
  await Deno.writeTextFile(file, JSON.stringify([first.line]));
  await using gateway = await keyedGateway(upstream, [], { keys_file: file });
  const ask = async (key: string) => {
    const response = await gateway.post("/v1/chat/completions", ASK, bearer(key));
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await ask(first.key), 200);
  assert.equal(await ask(second.key), 401);
  for (const broken of ["", "[{", '[{"name": 1}]']) {
    const said = gateway.output().length;
    await Deno.writeTextFile(file, broken);
    await waitFor(
      () => gateway.output().slice(said).includes("configuration not reloaded"),
      `that ${JSON.stringify(broken)} is refused`,
    );
    assert.equal(await ask(first.key), 200);
    assert.equal(await ask("anything"), 401);
  }
  await Deno.remove(file);
  await waitFor(
    () => gateway.output().includes("the keys file does not exist"),
    "the missing file",
  );
  assert.equal(await ask(first.key), 200);
  await Deno.writeTextFile(file, JSON.stringify([second.line]));
  await waitFor(() => gateway.output().includes("configuration reloaded"), "the reload");
  assert.equal(await ask(second.key), 200);
  assert.equal(await ask(first.key), 401);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("access 2: a key comes as Bearer in any case or as x-api-key, and never two, nor in the address", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const [web, other] = [makeKey("web"), makeKey("other")];
  await using gateway = await keyedGateway(upstream, [web, other]);
  const ask = async (headers: [string, string][], query = "") => {
    const response = await fetch(`${gateway.url}/v1/chat/completions${query}`, {
      method: "POST",
      body: JSON.stringify(ASK),
      headers: [["content-type", "application/json"], ...headers],
    });
    return { status: response.status, text: await response.text() };
  };
  const { key } = web;
  const good: [string, string][][] = [
    [["authorization", `Bearer ${key}`]],
    [["authorization", `bearer ${key}`]],
    [["authorization", `BEARER  ${key}`]],
    [["x-api-key", key]],
    [["x-api-key", key], ["authorization", `Bearer ${key}`]],
  ];
  for (const headers of good) assert.equal((await ask(headers)).status, 200, String(headers));
  const bad: [[string, string][], string, RegExp][] = [
    [[], "", /No API key provided/],
    [[["authorization", "Bearer"]], "", /No API key provided/],
    [[["authorization", `Basic ${btoa("a:b")}`]], "", /must be `Bearer`/],
    [[["authorization", `Bearer ${key}`], ["x-api-key", other.key]], "", /two different keys/],
    [
      [["authorization", `Bearer ${newKey()}`]],
      "",
      /Incorrect API key provided: sk-sag-....\*\*\*\*/,
    ],
    [[["authorization", `Bearer ${key}x`]], "", /mistyped/],
    [[["authorization", `Bearer ${key}`]], `?api_key=${key}`, /not into the address/],
  ];
  for (const [headers, query, words] of bad) {
    const { status, text } = await ask(headers, query);
    assert.equal(status, 401, String(headers));
    const { error } = JSON.parse(text);
    assert.match(error.message, words);
    assert.equal(error.type, "AuthenticationError");
    assert.equal(error.code, 401);
    assert.ok(!text.includes(key.slice(12)), "the answer tells the key");
  }
  assert.equal(upstream.seen.length, good.length);
});

Deno.test("access 2: two Authorization fields are one key where they are the same, else refused", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const web = makeKey("web");
  await using gateway = await keyedGateway(upstream, [web]);
  const { hostname, port } = new URL(gateway.url);
  const body = JSON.stringify(ASK);
  for (const [second, status] of [[web.key, 200], [newKey(), 401]] as const) {
    const connection = await Deno.connect({ hostname, port: Number(port) });
    await connection.write(new TextEncoder().encode(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n` +
        `authorization: Bearer ${web.key}\r\nauthorization: Bearer ${second}\r\n\r\n${body}`,
    ));
    const text = await new Response(connection.readable).text();
    assert.match(text, new RegExp(`^HTTP/1.1 ${status} `));
  }
});

Deno.test("access 6: a model that a key may not use is as one that nobody has", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const web = makeKey("web", { models: ["m", "pre*"] });
  const all = makeKey("all");
  await using gateway = await keyedGateway(upstream, [web, all], {
    instances: [{ url: upstream.url, model_name: ["m", "other", "prefixed"] }],
    fallback_instances: [{ url: upstream.url, model_name: "other" }],
  });
  const ask = async (key: string, model: string) => {
    const response = await gateway.post("/v1/chat/completions", { ...ASK, model }, bearer(key));
    return { status: response.status, text: await response.text() };
  };
  assert.equal((await ask(web.key, "m")).status, 200);
  assert.equal((await ask(web.key, "prefixed")).status, 200);
  assert.equal((await ask(all.key, "other")).status, 200);
  const forbidden = await ask(web.key, "other");
  const unknown = await ask(web.key, "nobody");
  assert.equal(forbidden.status, 404);
  assert.deepEqual(forbidden, {
    status: unknown.status,
    text: unknown.text.replaceAll("nobody", "other"),
  });
  const get = async (path: string) => {
    const response = await fetch(gateway.url + path, bearer(web.key));
    return { status: response.status, json: await response.json() };
  };
  const list = await get("/v1/models");
  assert.deepEqual(
    list.json.data.map(({ id }: { id: string }) => id).sort(),
    ["m", "prefixed"],
  );
  assert.equal((await get("/v1/models/other")).status, 404);
  assert.equal((await get("/v1/models/m")).status, 200);
  const nameless = await gateway.post(
    "/v1/chat/completions",
    { messages: ASK.messages },
    bearer(web.key),
  );
  assert.match(String((await errorOf(nameless)).message), /one of: m, prefixed$/);
});

Deno.test("access: a key that may use one model of an instance cannot get another by naming none", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const web = makeKey("web", { models: ["other"] });
  await using gateway = await keyedGateway(upstream, [web]);
  const { messages } = ASK;
  for (const body of [{ messages }, { messages, model: null }, {}]) {
    const answer = await gateway.post("/v1/chat/completions", body, bearer(web.key));
    assert.equal(answer.status, 200);
    await answer.body?.cancel();
    assert.deepEqual(JSON.parse(upstream.seen.at(-1)!.text), { ...body, model: "other" });
  }
  const asked = upstream.seen.length;
  const ask = async (heads: readonly string[]) => {
    const parts = heads.map((head) => `--b\r\n${head}\r\n\r\nm\r\n`);
    const answer = await gateway.post("/v1/audio/transcriptions", `${parts.join("")}--b--`, {
      headers: { ...bearer(web.key).headers, "content-type": "multipart/form-data; boundary=b" },
    });
    await answer.body?.cancel();
    return answer.status;
  };
  assert.equal(await ask(['content-disposition: form-data; name="file"; filename="f"']), 400);
  assert.equal(await ask(['content-disposition: form-data; name="model"']), 404);
  assert.equal(await ask(['content-disposition: form-data; name="model"; x="; filename=y"']), 404);
  const field = "content-disposition: form-data; name=";
  assert.equal(await ask([`${field}file\r\n${field}model`]), 400);
  assert.equal(upstream.seen.length, asked);
});

Deno.test("access 7: a stored response is there for the key that it was made for", async () => {
  await using upstream = startUpstream(() => Response.json(storedResponse("resp_mine")));
  const [web, other] = [makeKey("web"), makeKey("other")];
  await using gateway = await keyedGateway(upstream, [web, other]);
  const make = () => gateway.post("/v1/responses", { model: "m", input: "hello" }, bearer(web.key));
  assert.equal((await (await make()).json()).id, "resp_mine");
  // Clients may choose ids.
  upstream.answer = () => Response.json(storedResponse("resp_job:4.2"));
  assert.equal((await (await make()).json()).id, "resp_job:4.2");
  const asked = upstream.seen.length;
  for (
    const [method, path] of [
      ["GET", "/v1/responses/resp_mine"],
      ["DELETE", "/v1/responses/resp_mine"],
      ["POST", "/v1/responses/resp_mine/cancel"],
      ["GET", "/v1/responses/resp_mine/input_items"],
      ["GET", "/v1/responses/resp_unknown"],
      ["GET", "/v1/responses/resp_mine/?model=m"],
      ["GET", "/v1/responses/resp_job:4.2?model=m"],
      ["DELETE", "/v1/responses/resp_job%3A4.2?model=m"],
    ]
  ) {
    const response = await fetch(gateway.url + path, { method, ...bearer(other.key) });
    assert.equal(response.status, 404, `${method} ${path}`);
    assert.match(String((await errorOf(response)).message), /not found/);
  }
  // Servers read an escaped letter as the letter.
  for (const path of ["/v1/%72esponses/resp_mine?model=m", "/v1/responses/resp%5Fmine?model=m"]) {
    assert.equal(await statusOf(fetch(gateway.url + path, bearer(other.key))), 400, path);
  }
  const next = { model: "m", input: "more", previous_response_id: "resp_mine" };
  const foreign = await gateway.post("/v1/responses", next, bearer(other.key));
  assert.equal(foreign.status, 404);
  await foreign.body?.cancel();
  assert.equal(upstream.seen.length, asked, "an instance was asked");
  const own = await gateway.post("/v1/responses", next, bearer(web.key));
  assert.equal(own.status, 200);
  await own.body?.cancel();
  for (const id of ["resp_mine", "resp_job:4.2", "resp_job%3A4.2"]) {
    assert.equal(await statusOf(fetch(`${gateway.url}/v1/responses/${id}`, bearer(web.key))), 200);
  }
});

Deno.test("access 8: a key's priority is its ceiling: x-priority lowers it, and never raises it", async () => {
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  await using upstream = startUpstream(async (seen) => {
    order.push(JSON.parse(seen.text).messages[0].content);
    if (order.length === 1) await first.promise;
    return completion("hi");
  });
  const [high, low] = [makeKey("high", { priority: 10 }), makeKey("low")];
  await using gateway = await keyedGateway(upstream, [high, low], {
    instances: [{ url: upstream.url, model_name: "m", max_concurrency: 1 }],
  });
  const waiting = () =>
    fetch(`${gateway.url}/metrics`).then((response) => response.text()).then((text) =>
      Number(/^gateway_queued\{[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0)
    );
  const all: Promise<number>[] = [];
  const ask = async (content: string, key: string, priority?: number) => {
    const before = await waiting();
    const headers: Record<string, string> = { authorization: `Bearer ${key}` };
    if (priority !== undefined) headers["x-priority"] = String(priority);
    const body = { ...ASK, messages: [{ role: "user", content }] };
    all.push(
      gateway.post("/v1/chat/completions", body, { headers }).then(async (response) => {
        await response.body?.cancel();
        return response.status;
      }),
    );
    if (content === "first") return await waitFor(() => order.length === 1, "the first");
    await waitFor(async () => await waiting() > before, content);
  };
  await ask("first", low.key);
  await ask("low, wants 1000", low.key, 1000);
  await ask("high, wants less than low", high.key, -5);
  await ask("high", high.key);
  await ask("high, wants more", high.key, 1000);
  first.resolve();
  assert.deepEqual(await Promise.all(all), [200, 200, 200, 200, 200]);
  assert.deepEqual(order, [
    "first",
    "high",
    "high, wants more",
    "low, wants 1000",
    "high, wants less than low",
  ]);
});

Deno.test("access 9: health, metrics and dashboard need no key and take none; the admin token is none", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const web = makeKey("web");
  const token = "the-admin-token-of-this-test";
  await using gateway = await keyedGateway(upstream, [web], { admin: { token } });
  const status = async (path: string, key?: string) => {
    const response = await fetch(gateway.url + path, key === undefined ? {} : bearer(key));
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await status("/health"), 200);
  assert.equal(await status("/metrics"), 200);
  assert.equal(await status("/dashboard"), 200);
  assert.equal(await status("/dashboard/api/fleet", web.key), 401);
  assert.equal(await status("/dashboard/api/fleet", token), 200);
  assert.equal(await status("/v1/models", token), 401);
  assert.equal(await status("/v1/models"), 401);
  assert.equal(await status("/v1/models", web.key), 200);
  const asked = await gateway.post("/v1/chat/completions", ASK, bearer(token));
  assert.equal(asked.status, 401);
  await asked.body?.cancel();
});

Deno.test("access: routes, addresses and the name of who brings no key", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const narrow = makeKey("narrow", { routes: ["/v1/models", "/v1/embed*"] });
  const far = makeKey("far", { allow_addresses: ["10.9.0.0/16"] });
  const near = makeKey("near", { allow_addresses: ["127.0.0.0/8", "::1"] });
  await using gateway = await keyedGateway(upstream, [narrow, far, near], {
    keys: [narrow.line, far.line, near.line, { name: "public", models: ["other"] }],
    access: { without_key: "public" },
  });
  const ask = async (key: string | null, model = "m") => {
    const init = key === null ? {} : bearer(key);
    const response = await gateway.post("/v1/chat/completions", { ...ASK, model }, init);
    return { status: response.status, reason: (await response.json()).error?.reason };
  };
  assert.deepEqual(await ask(narrow.key), { status: 403, reason: "route" });
  assert.deepEqual(await ask(far.key), { status: 403, reason: "address" });
  assert.equal((await ask(near.key)).status, 200);
  assert.equal((await ask(null)).status, 404);
  assert.equal((await ask(null, "other")).status, 200);
  assert.equal((await ask("a wrong one")).status, 401);
});

Deno.test("access: under /v1/messages a refusal has the shape of Anthropic's API", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  await using gateway = await keyedGateway(upstream, [makeKey("web")]);
  const response = await gateway.post("/v1/messages", { ...ASK, max_tokens: 5 });
  assert.equal(response.status, 401);
  const { type, error } = await response.json();
  assert.equal(type, "error");
  assert.equal(error.type, "authentication_error");
});
