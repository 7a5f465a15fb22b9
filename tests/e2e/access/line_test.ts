// Who waits for his limits (`over: "queue"`) is served as soon as they allow it, whatever has changed since he came.

import assert from "node:assert/strict";
import { type GatewayProcess, startGateway } from "../../support/processes.ts";
import { chunk, completion, sse, startUpstream } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";
import { ask, heldUpstream, makeKey, statusOf, type TestKey } from "./keyed.ts";

/** Far less than what the limits alone would have them wait, and than the line allows. */
const SOON_MS = 15_000;
const ANSWER = [chunk({ content: "hi" }), chunk({}, "stop"), {
  ...chunk({}),
  choices: [],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
}, "[DONE]"];

function heldStreams() {
  return heldUpstream(() => sse(ANSWER));
}

/** The text of the answer to a request that waits by now: a comment has opened its stream. */
async function inLine(
  gateway: GatewayProcess,
  key: TestKey,
  more: object = {},
): Promise<Promise<string>[]> {
  const stream = await ask(gateway, key, { stream: true, ...more });
  assert.equal(stream.status, 200);
  return [stream.text()];
}

async function soon<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${SOON_MS} ms`)), SOON_MS);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Lets answers go as they are asked for, until what is waited for is there. */
async function letGo<T>(held: (() => void)[], until: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => held.splice(0).forEach((go) => go()), 5);
  try {
    return await until();
  } finally {
    clearInterval(timer);
  }
}

function configOf(url: string, keys: readonly object[], more: object = {}) {
  return {
    instances: [{ url, model_name: "m" }],
    health_check: false,
    keys,
    queue: { max: 1000, deadline: 50 },
    keepalive: 0.05,
    ...more,
  };
}

async function reload(gateway: GatewayProcess, config: Record<string, unknown>): Promise<void> {
  const said = gateway.output().length;
  await gateway.writeConfig(config);
  await waitFor(
    () => gateway.output().slice(said).includes("configuration reloaded"),
    "the reload",
  );
}

for (const workers of [1, 3]) {
  Deno.test(`access 28: tokens that are given back serve those who wait, with ${workers} workers`, async () => {
    const { upstream, held } = heldStreams();
    await using _ = upstream;
    const web = makeKey("web", { tokens_per_minute: 1000, over: "queue" });
    await using gateway = await startGateway({
      config: configOf(upstream.url, [web.line], { workers }),
    });
    const begin = () => inLine(gateway, web, { max_tokens: 450 });
    const texts = [...await begin(), ...await begin()];
    await waitFor(() => held.length === 2, "the first two");
    for (let count = 0; count < 8; count++) texts.push(...await begin());
    assert.equal(held.length, 2);
    for (const text of await letGo(held, () => soon(Promise.all(texts)))) {
      assert.match(text, /\[DONE\]/);
    }
  });
}

Deno.test("access 28: a limit that is raised, or taken away, serves those who wait for it", async () => {
  const { upstream, held } = heldStreams();
  await using _ = upstream;
  const web = makeKey("web", { over: "queue" });
  const by = (limits: object) => configOf(upstream.url, [{ ...web.line, ...limits }]);
  await using gateway = await startGateway({ config: by({ requests_per_minute: 1 }) });
  const first = await inLine(gateway, web);
  await waitFor(() => held.length === 1, "the first");
  const waiting = await inLine(gateway, web);
  await reload(gateway, by({ requests_per_minute: 1, concurrency: 1 }));
  const behind = await inLine(gateway, web);
  assert.equal(held.length, 1);
  await reload(gateway, by({ requests_per_minute: 100_000, concurrency: 1 }));
  // The one place is taken by the first.
  held.splice(0).forEach((go) => go());
  await waitFor(() => held.length === 1, "the next");
  await reload(gateway, by({}));
  await waitFor(() => held.length === 2, "the last");
  const texts = letGo(held, () => soon(Promise.all([...first, ...waiting, ...behind])));
  for (const text of await texts) assert.match(text, /\[DONE\]/);
});

Deno.test("access 28: limits that are filled up again serve those who wait, in all workers", async () => {
  const { upstream, held } = heldStreams();
  await using _ = upstream;
  const web = makeKey("web", { requests_per_minute: 2, over: "queue" });
  const config = configOf(upstream.url, [web.line], {
    workers: 2,
    admin: { token: "t".repeat(16) },
  });
  await using gateway = await startGateway({ config });
  const texts: Promise<string>[] = [];
  for (let count = 0; count < 4; count++) texts.push(...await inLine(gateway, web));
  await waitFor(() => held.length === 2, "two");
  const reset = await gateway.post("/dashboard/api/reset_limits", { kind: "key", name: "web" }, {
    headers: { authorization: `Bearer ${"t".repeat(16)}` },
  });
  assert.equal(reset.status, 200);
  await reset.body?.cancel();
  await soon(waitFor(() => held.length === 4, "the others"));
  for (const text of await letGo(held, () => soon(Promise.all(texts)))) {
    assert.match(text, /\[DONE\]/);
  }
});

Deno.test("access 29: a budget that is used up while a request waits refuses it", async () => {
  const { upstream, held } = heldStreams();
  await using _ = upstream;
  const web = makeKey("web", {
    concurrency: 1,
    over: "queue",
    budget: [{ period: "day", tokens: 5 }],
  });
  await using gateway = await startGateway({ config: configOf(upstream.url, [web.line]) });
  const first = await inLine(gateway, web);
  await waitFor(() => held.length === 1, "the first");
  const waiting = [...await inLine(gateway, web), ...await inLine(gateway, web)];
  const texts = letGo(held, () => soon(Promise.all([...first, ...waiting])));
  const [served, ...refused] = await texts;
  assert.match(served, /\[DONE\]/);
  for (const text of refused) assert.match(text, /insufficient_quota|budget/);
  assert.equal(upstream.seen.length, 1);
});

for (
  const [what, workers, names] of [
    ["two keys of a group", 1, ["web", "app"]],
    ["two keys of a group, with two workers,", 2, ["web", "app"]],
    ["requests of one key, with two workers,", 2, ["web"]],
  ] as const
) {
  Deno.test(`access 28: ${what} that wait for one place come in turn`, async () => {
    await using upstream = startUpstream(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return completion("hi");
    });
    const keys = names.map((name) => makeKey(name, { over: "queue", group: "g" }));
    await using gateway = await startGateway({
      config: configOf(upstream.url, keys.map(({ line }) => line), {
        groups: [{ name: "g", concurrency: 1 }],
        queue: { max: 1000, deadline: 5 },
        workers,
      }),
    });
    /** Has a connection of its own, and so the same worker. */
    const clientOf = async (key: TestKey, isOver: () => boolean) => {
      using client = Deno.createHttpClient({ poolMaxIdlePerHost: 1 });
      const init = { client } as RequestInit;
      const statuses: number[] = [];
      while (!isOver()) statuses.push(await statusOf(ask(gateway, key, {}, init)));
      return statuses;
    };
    let isOver = false;
    const all = Array.from(
      { length: 9 },
      (_, at) => clientOf(keys[at === 0 ? keys.length - 1 : 0], () => isOver),
    );
    const timer = setTimeout(() => isOver = true, 8000);
    const statuses = (await Promise.all(all)).flat();
    clearTimeout(timer);
    assert.deepEqual(new Set(statuses), new Set([200]));
  });
}
