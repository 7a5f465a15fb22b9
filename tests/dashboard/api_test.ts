// The dashboard's API, asked without a browser: figures, access, secrets, actions. Its live feed: live_feed_test.ts.

import assert from "node:assert/strict";
import { join } from "node:path";
import { startFleet } from "../faults/fleet.ts";
import { rawRequest } from "../support/raw_http.ts";
import { waitFor, within } from "../support/wait.ts";
import { act, bearer, follow, get, SECRETS, startGuarded, TOKEN } from "./api_stand.ts";

Deno.test("the fleet's figures are those of the requests that were made", async () => {
  await using fleet = await startGuarded();
  for (let i = 0; i < 6; i++) await (await fleet.chat()).body?.cancel();
  for (let i = 0; i < 4; i++) await (await fleet.chat({ stream: true })).text();
  await fleet.settled();
  await waitFor(async () => {
    const { totals } = await get(fleet, "fleet");
    return totals.requests === 10 && totals.ttft_p50_ms !== null;
  }, "ten requests and a tick");
  const found = await get(fleet, "fleet");
  const counts = await fleet.counts();
  assert.deepEqual(
    // deno-lint-ignore no-explicit-any -- tests look into many shapes
    found.instances.map((one: any) => one.requests),
    counts,
  );
  assert.equal(found.status, "ok");
  assert.equal(found.totals.errors, 0);
  assert.equal(found.models.length, 1);
  assert.equal(found.models[0].requests, 10);
  assert.equal(found.models[0].available, 2);
  assert.ok(found.totals.ttft_p50_ms > 0);
  assert.ok(found.totals.completion_tokens > 0);
  assert.equal(found.history.times.length, found.history.totals.requests_per_second.length);
  assert.deepEqual(Object.keys(found.history.instances), ["sim-0", "sim-1"]);
});

Deno.test("a stream that tells no usage has its tokens in the rate all the same", async () => {
  await using fleet = await startFleet();
  await (await fleet.chat({ stream: true, max_tokens: 12 })).text();
  await waitFor(async () => (await get(fleet, "fleet")).totals.tokens_per_second > 0, "a rate");
  assert.equal((await get(fleet, "fleet")).totals.completion_tokens, 0, "what was told is exact");
});

Deno.test("no secret is in any answer of the dashboard", async () => {
  await using fleet = await startGuarded();
  await (await fleet.chat()).text();
  for (const path of ["fleet", "config", "events", "records", "session"]) {
    for (const headers of [{}, bearer] as HeadersInit[]) {
      const text = JSON.stringify(await get(fleet, path, { headers }));
      for (const secret of SECRETS) assert.ok(!text.includes(secret), `${path}: ${text}`);
    }
  }
  const { options } = await get(fleet, "config");
  assert.equal(options.instances[0].api_key, "********");
  assert.equal(options.admin.token, "********");
  assert.equal(options.instances[0].model_name, "demo");
});

Deno.test("actions need the token, by POST and from the page itself", async () => {
  await using fleet = await startGuarded();
  const body = { instance: "sim-0" };
  assert.equal((await act(fleet, "drain", body, {})).status, 401);
  assert.equal((await act(fleet, "drain", body, { authorization: "Bearer no" })).status, 401);
  const foreign = { ...bearer, origin: "http://evil.example" };
  const raw = await rawRequest({
    port: fleet.gateway.port,
    parts: [
      `POST /dashboard/api/drain HTTP/1.1\r\nhost: 127.0.0.1:${fleet.gateway.port}\r\n` +
      `authorization: ${foreign.authorization}\r\norigin: ${foreign.origin}\r\n` +
      `connection: close\r\ncontent-length: 21\r\n\r\n{"instance": "sim-0"}`,
    ],
  });
  assert.equal(raw.status, 403);
  const response = await fetch(`${fleet.gateway.url}/dashboard/api/drain?instance=sim-0`, {
    headers: bearer,
  });
  assert.equal(response.status, 405);
  assert.equal(response.headers.get("allow"), "POST");
  await response.body?.cancel();
  assert.ok(
    (await get(fleet, "fleet")).instances.every((one: { drained: boolean }) => !one.drained),
  );
});

Deno.test("the address alone leads to the dashboard, where there is one", async () => {
  await using fleet = await startGuarded();
  const led = await fetch(`${fleet.gateway.url}/`);
  assert.equal(led.status, 200);
  assert.equal(led.url, `${fleet.gateway.url}/dashboard/`);
  assert.match(await led.text(), /<title>/);
  const posted = await fetch(`${fleet.gateway.url}/`, { method: "POST", body: "{}" });
  assert.equal(posted.status, 404);
  await posted.body?.cancel();
  const text = await Deno.readTextFile(fleet.gateway.configPath);
  const config = JSON.parse(text);
  config.admin.enabled = false;
  await fleet.gateway.writeConfig(config);
  await waitFor(async () => {
    const { status, body } = await fetch(`${fleet.gateway.url}/`);
    await body?.cancel();
    return status === 404;
  }, "no dashboard, nothing at /");
});

Deno.test("a file that was refused is compared with what is in force, and a text is only tried", async () => {
  await using fleet = await startGuarded();
  const same = await get(fleet, "config_file");
  assert.deepEqual(same.file, { ok: true, problems: [], differences: [], needs_restart: [] });
  const text = await Deno.readTextFile(fleet.gateway.configPath);
  const config = JSON.parse(text);
  config.instances[0].weight = -1;
  config.instances[1].api_key = "sk-third-secret";
  await fleet.gateway.writeConfig(config);
  await waitFor(async () => (await get(fleet, "fleet")).refused !== null, "the refusal");
  const { file } = await get(fleet, "config_file");
  assert.equal(file.ok, false);
  assert.match(file.problems[0], /weight/);
  // deno-lint-ignore no-explicit-any -- tests look into many shapes
  const paths = file.differences.map((one: any) => one.path);
  assert.deepEqual(paths, ["instances[sim-0].weight", "instances[sim-1].api_key"]);
  assert.doesNotMatch(JSON.stringify(file), /secret/);
  config.instances[0].weight = 2;
  const check = (body: string, headers: HeadersInit = bearer) =>
    fetch(`${fleet.gateway.url}/dashboard/api/check`, { method: "POST", headers, body });
  const fine = await (await check(JSON.stringify({ ...config, host: "127.0.0.9" }))).json();
  assert.equal(fine.ok, true, JSON.stringify(fine));
  assert.equal(fine.differences.length, 3);
  const bad = await (await check("{ instances: [ }")).json();
  assert.equal(bad.ok, false);
  assert.deepEqual(bad.differences, []);
  const long = await check(`// ${"x".repeat(1024 * 1024)}\n${text}`);
  assert.equal(long.status, 413);
  // What is pasted has a limit of its own, and not that of requests.
  assert.equal((await long.json()).error.message, "More than 1048576 bytes are not taken here");
  const refused = await check(text, {});
  assert.equal(refused.status, 401);
  await refused.body?.cancel();
  const { instances } = await get(fleet, "fleet");
  // deno-lint-ignore no-explicit-any -- tests look into many shapes
  assert.deepEqual(instances.map((one: any) => one.weight), [1, 1], "nothing was changed");
});

Deno.test("an action without a configured token is refused", async () => {
  await using fleet = await startFleet();
  const { status, body } = await act(fleet, "reload", {}, {});
  assert.equal(status, 403);
  assert.match(body.error.message, /admin\.token/);
});

Deno.test("a request by another host's name sees the page only, and figures with the token", async () => {
  await using fleet = await startGuarded();
  const ask = async (target: string, more = "") =>
    (await rawRequest({
      port: fleet.gateway.port,
      parts: [
        `GET ${target} HTTP/1.1\r\nhost: gateway.example\r\nconnection: close\r\n${more}\r\n`,
      ],
    })).status;
  assert.equal(await ask("/dashboard/"), 200);
  assert.equal(await ask("/dashboard/app.js"), 200);
  for (const path of ["fleet", "config", "events", "records", "live", "session"]) {
    assert.equal(await ask(`/dashboard/api/${path}`), 401, path);
  }
  assert.equal(await ask("/dashboard/api/fleet", `authorization: Bearer ${TOKEN}\r\n`), 200);
});

Deno.test("every answer forbids scripts from elsewhere, frames and sniffing, and opens no CORS", async () => {
  await using fleet = await startFleet();
  const paths = [
    "/",
    "/metrics",
    "/admin/decisions",
    "/admin/explain",
    "/dashboard",
    "/dashboard/",
    "/dashboard/app.js",
    "/dashboard/style.css",
    "/dashboard/vendor/libraries.js",
    "/dashboard/api/fleet",
    "/dashboard/api/nothing",
    "/dashboard/no",
  ];
  for (const path of paths) {
    const response = await fetch(fleet.gateway.url + path, { redirect: "manual" });
    await response.body?.cancel();
    const policy = response.headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'/, path);
    assert.match(policy, /script-src 'self'(;|$)/, path);
    assert.match(policy, /frame-ancestors 'none'/, path);
    assert.doesNotMatch(policy, /unsafe|\*/, path);
    assert.equal(response.headers.get("x-content-type-options"), "nosniff", path);
    assert.equal(response.headers.get("referrer-policy"), "no-referrer", path);
    assert.equal(response.headers.get("access-control-allow-origin"), null, path);
  }
});

Deno.test("a page's file that the browser has is not sent again", async () => {
  await using fleet = await startFleet();
  const url = `${fleet.gateway.url}/dashboard/style.css`;
  const first = await fetch(url);
  assert.ok((await first.text()).length > 0);
  const tag = first.headers.get("etag")!;
  const second = await fetch(url, { headers: { "if-none-match": tag } });
  assert.equal(second.status, 304);
  assert.equal(await second.text(), "");
});

Deno.test("a drained instance gets nothing new until it is undrained", async () => {
  await using fleet = await startGuarded();
  assert.deepEqual((await act(fleet, "drain", { instance: "sim-0" })).body, { ok: true });
  const before = await fleet.counts();
  for (let i = 0; i < 4; i++) await (await fleet.chat()).text();
  assert.deepEqual(await fleet.counts(), [before[0], before[1] + 4]);
  const [first] = (await get(fleet, "fleet")).instances;
  assert.equal(first.state, "draining");
  assert.equal(first.drained, true);
  assert.deepEqual((await get(fleet, "config")).drained, ["sim-0"]);
  assert.equal((await act(fleet, "undrain", { instance: "sim-0" })).status, 200);
  await waitFor(async () => {
    await (await fleet.chat()).text();
    return (await fleet.counts())[0] > before[0];
  }, "requests to sim-0");
  const kinds = (await get(fleet, "events")).events.map((event: { kind: string }) => event.kind);
  assert.deepEqual(kinds, ["started", "drain", "undrain"]);
});

Deno.test("what cannot be drained is said with its reason", async () => {
  await using fleet = await startGuarded({ each: undefined });
  assert.equal((await act(fleet, "drain", { instance: "nobody" })).status, 404);
  assert.equal((await act(fleet, "drain", { name: "sim-0" })).status, 400);
  const { status, body } = await act(fleet, "undrain", { instance: "sim-0" });
  assert.equal(status, 409);
  assert.match(body.error.message, /not drained/);
});

Deno.test("a reload leaves drained what was drained, and a bad file changes nothing", async () => {
  await using fleet = await startGuarded();
  await act(fleet, "drain", { instance: "sim-0" });
  const good = await act(fleet, "reload");
  assert.equal(good.body.ok, true);
  assert.deepEqual((await get(fleet, "config")).drained, ["sim-0"]);
  const text = await Deno.readTextFile(fleet.gateway.configPath);
  await fleet.gateway.writeConfig(text.replace('"instances"', '"instnaces"'));
  const bad = await act(fleet, "reload");
  assert.equal(bad.status, 200);
  assert.equal(bad.body.ok, false);
  assert.match(bad.body.problems[0], /:\d+:\d+: instnaces: unknown option; did you mean/);
  const { last_reload } = await get(fleet, "config");
  assert.deepEqual(last_reload.problems, bad.body.problems);
  assert.equal((await get(fleet, "fleet")).instances.length, 2);
  const events = (await get(fleet, "events")).events;
  assert.ok(events.some((event: { kind: string }) => event.kind === "reload_failed"));
});

Deno.test("a file with more instances than there is room for is refused in words, and changes nothing", async () => {
  await using fleet = await startGuarded();
  const before = await Deno.readTextFile(fleet.gateway.configPath);
  const config = JSON.parse(before);
  for (let n = 0; n < 1024; n++) {
    config.instances.push({ url: `http://10.0.${n >> 8}.${n & 255}:8000`, model_name: "m" });
  }
  await fleet.gateway.writeConfig(JSON.stringify(config));
  const { status, body } = await act(fleet, "reload");
  assert.deepEqual([status, body.ok], [200, false]);
  assert.match(body.problems[0], /1026 instances and 2 models; expected at most 1024 together$/);
  assert.equal((await get(fleet, "config")).options.instances.length, 2);
  assert.equal((await act(fleet, "drain", { instance: "sim-0" })).status, 200);
  await fleet.gateway.writeConfig(before);
  assert.equal((await act(fleet, "reload")).body.ok, true);
});

Deno.test("with two workers any of them shows the whole", async () => {
  await using fleet = await startGuarded({ config: { workers: 2 } });
  await Promise.all(Array.from({ length: 20 }, async () => (await fleet.chat()).text()));
  await waitFor(
    async () => (await get(fleet, "fleet")).totals.requests === 20,
    "twenty requests over both workers",
  );
  for (let i = 0; i < 8; i++) {
    // A connection of its own each time, so that either worker is met.
    const raw = await rawRequest({
      port: fleet.gateway.port,
      parts: [
        `GET /dashboard/api/fleet HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${TOKEN}\r\nconnection: close\r\n\r\n`,
      ],
    });
    assert.match(raw.text, /"workers":2/);
    assert.match(raw.text, /"requests":20/);
  }
  assert.equal((await act(fleet, "drain", { instance: "sim-0" })).status, 200);
  const before = await fleet.counts();
  await waitFor(async () => {
    const [seen] = await fleet.counts();
    await Promise.all(Array.from({ length: 6 }, async () => (await fleet.chat()).text()));
    return (await fleet.counts())[0] === seen;
  }, "both workers to have drained sim-0");
  assert.ok((await fleet.counts())[1] > before[1]);
  const seen = await within(follow(fleet, ({ event }) => event === "snapshot"), "a snapshot");
  assert.equal(seen[0].event, "begin");
});

Deno.test("failover, resume and ejection are in the events with their counts", async () => {
  await using fleet = await startFleet({ config: { error_threshold: 3, error_window: 60 } });
  await fleet.simulators.fail(0, "500", { count: 3 });
  while ((await fleet.counts())[0] < 3) await (await fleet.chat()).text();
  await fleet.simulators.fail(1, "cut:3", { count: 1 });
  await (await fleet.chat({ stream: true })).text();
  const events = async () => (await get(fleet, "events")).events as Record<string, unknown>[];
  const found = async (kind: string) => (await events()).find((event) => event.kind === kind);
  await waitFor(async () => await found("resume") !== undefined, "the resume");
  const ejected = await found("instance_ejected");
  assert.equal(ejected?.subject, "sim-0");
  assert.equal(ejected?.level, "bad");
  assert.equal(ejected?.count, 1);
  assert.equal((await found("failover"))?.subject, "sim-0");
  assert.equal((await found("failover"))?.count, 3);
  assert.equal((await found("resume"))?.subject, "sim-1");
  const { instances, totals } = await get(fleet, "fleet");
  assert.deepEqual(
    instances.map((one: { errors: number }) => one.errors),
    [3, 1],
    "failed attempts, though every client had its answer",
  );
  assert.equal(totals.errors, 0);
});

Deno.test("the switch admin.enabled takes the dashboard away", async () => {
  await using fleet = await startFleet({ config: { admin: { enabled: false } } });
  for (const path of ["", "/", "/api/fleet", "/app.js"]) {
    const response = await fetch(`${fleet.gateway.url}/dashboard${path}`);
    await response.body?.cancel();
    assert.equal(response.status, 404, path);
  }
});

Deno.test("what cannot be read of the disk is said to whoever looks, and not logged as an error of the gateway", async () => {
  await using fleet = await startGuarded();
  const { gateway } = fleet;
  const broken = async (folder: string, name: string) => {
    await Deno.remove(join(gateway.dataDir, folder), { recursive: true }).catch(() => {});
    await Deno.mkdir(join(gateway.dataDir, folder), { recursive: true });
    const path = join(gateway.dataDir, folder, name);
    await Deno.writeTextFile(path, "no gzip at all");
    return path;
  };
  const records = await broken("requests_responses", "20260101_00.jsonl.gz");
  const requests = await broken("requests", "20260101_00.jsonl.gz");
  await Deno.remove(join(gateway.dataDir, "usage"), { recursive: true }).catch(() => {});
  await Deno.writeTextFile(join(gateway.dataDir, "usage"), "in the way");
  const words = {
    records: `${records} is damaged and cannot be unpacked to its end`,
    requests: `${requests} is damaged and cannot be unpacked to its end`,
    usage: `${join(gateway.dataDir, "usage")} cannot be read: Not a directory`,
  };
  for (const [page, message] of Object.entries(words)) {
    const response = await fetch(`${gateway.url}/dashboard/api/${page}`, { headers: bearer });
    assert.equal(response.status, 503, page);
    assert.equal((await response.json()).error.message, message);
  }
  assert.doesNotMatch(gateway.output(), /internal error/);
});

Deno.test("a page that begins behind the end of a file, which has become shorter, is that of its end", async () => {
  await using fleet = await startGuarded();
  const { dataDir } = fleet.gateway;
  const line = JSON.stringify({ id: "r1", conversations: [], tools: "", model: "m", meta: {} });
  const folder = join(dataDir, "requests_responses");
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "20260101_00.jsonl"), `${line}\n`);
  // As far away as a cursor may be: nobody reads up to there.
  for (const offset of ["1000000000000", "999999999999999"]) {
    const { records } = await get(fleet, `records?cursor=20260101_00:${offset}`, {
      headers: bearer,
      signal: AbortSignal.timeout(30_000),
    });
    assert.deepEqual(records.map(({ id }: { id: string }) => id), ["r1"]);
    const path = `record?place=requests_responses:20260101_00:${offset}`;
    const record = await fetch(`${fleet.gateway.url}/dashboard/api/${path}`, { headers: bearer });
    assert.equal(record.status, 404, await record.text());
  }
});
