// Data-parallel ranks behind one address are places of their own, over real sockets. Numbers are those of the edge
// cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import { waitFor } from "../support/wait.ts";
import {
  type GatewayConfig,
  type GatewayProcess,
  startGateway,
  startSimulators,
} from "../support/processes.ts";
import { startTelling } from "./telling_vllm.ts";

const RANK = "x-data-parallel-rank";

async function ranked(more: GatewayConfig = {}, ranks = 4) {
  const stack = new AsyncDisposableStack();
  const simulators = stack.use(
    await startSimulators({ count: 1, args: ["--model", "m", "--ranks", String(ranks)] }),
  );
  const gateway = stack.use(
    await startGateway({
      config: {
        instances: [{ url: simulators.urls[0], model_name: "m", name: "gpu" }],
        load_balancing_strategy: "prefix_aware",
        scrape: { interval: 0.05, timeout: 60 },
        health_check: false,
        ...more,
      },
    }),
  );
  /** The rank that the instance was asked for with that request. */
  const named = async (id: string): Promise<string | undefined> => {
    const answer = await fetch(new URL("/simulate/requests", simulators.urls[0]));
    const { requests } = await answer.json();
    return requests.find((one: { id: string }) => one.id === id).headers[RANK];
  };
  return { gateway, named, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

type Ranked = Awaited<ReturnType<typeof ranked>>;

let asked = 0;
async function ask(stand: Ranked, name: string, headers: Record<string, string> = {}) {
  const id = `request-${++asked}`;
  const messages = [{ role: "user", content: `${name} `.repeat(3000 / (name.length + 1)) }];
  const answer = await stand.gateway.post("/v1/chat/completions", {
    model: "m",
    messages,
    max_tokens: 1,
  }, { headers: { "x-request-id": id, ...headers } });
  assert.equal(answer.status, 200, await answer.text());
  return { rank: await stand.named(id), route: answer.headers.get("x-gateway-route") };
}

/** As soon as who serves it has heard of the ranks. */
async function askRanked(stand: Ranked, name: string, headers: Record<string, string> = {}) {
  let last = await ask(stand, name, headers);
  await waitFor(async () => {
    if (last.route!.startsWith("gpu/")) return true;
    last = await ask(stand, name, headers);
    return false;
  }, "a rank to be named");
  return { rank: last.rank!, route: last.route! };
}

async function explained(gateway: GatewayProcess): Promise<string> {
  const messages = [{ role: "user", content: "x".repeat(3000) }];
  const answer = await gateway.post("/admin/explain", { model: "m", messages });
  const { instances } = await answer.json();
  return instances.map(({ instance }: { instance: string }) => instance).sort().join(" ");
}

Deno.test("39: a chat stays with its rank, chats are spread over all, and receipts name them", async () => {
  await using stand = await ranked();
  const names = Array.from({ length: 24 }, (_, n) => `chat${n}`);
  const first = new Map<string, string>();
  for (const name of names) {
    const { rank, route } = await askRanked(stand, name);
    assert.match(route, new RegExp(`^gpu/${rank};`));
    first.set(name, rank);
  }
  assert.deepEqual([...new Set(first.values())].sort(), ["0", "1", "2", "3"]);
  for (const name of names) {
    assert.equal((await askRanked(stand, name)).rank, first.get(name), name);
  }
  // What a client names is one of the things that the gateway decides.
  for (const name of names.slice(0, 4)) {
    const other = String((Number(first.get(name)) + 1) % 4);
    assert.equal((await askRanked(stand, name, { [RANK]: other })).rank, first.get(name));
  }
  let told = "";
  await waitFor(
    async () => (told = await explained(stand.gateway)) === "gpu/0 gpu/1 gpu/2 gpu/3",
    () => told,
  );
  let text = "";
  await waitFor(async () => {
    text = await (await fetch(`${stand.gateway.url}/metrics`)).text();
    return /^gateway_routing_decisions_total\{.*instance="gpu".*\} [1-9]/m.test(text);
  }, () => text);
  assert.doesNotMatch(text, /instance="gpu\/0"/);
});

Deno.test("39: a client's own rank goes along where the configuration lets it", async () => {
  await using stand = await ranked({ routing: { data_parallel: "client" } });
  for (const rank of ["3", "1", "1", "0"]) {
    const { rank: named, route } = await askRanked(stand, "chat", { [RANK]: rank });
    assert.deepEqual([named, route.split(";")[0]], [rank, `gpu/${rank}`]);
  }
});

for (
  const [what, more] of Object.entries<GatewayConfig>({
    "prompts are not looked at": { load_balancing_strategy: "round_robin" },
    "ranks are the instance's affair": { routing: { data_parallel: "off" } },
  })
) {
  Deno.test(`39: where ${what} no rank is named, and a client's passes as it came`, async () => {
    await using stand = await ranked(more, 2);
    for (let n = 0; n < 12; n++) assert.equal((await ask(stand, `chat${n}`)).rank, undefined);
    assert.equal((await ask(stand, "chat", { [RANK]: "1" })).rank, "1");
  });
}

Deno.test("39: a server that does not heed the rank is one place, until it is started anew", async () => {
  // It shows two engines, and finds nothing of what it was sent.
  await using server = startTelling("gpu");
  let startedAt = 1000;
  // From the start of its process on.
  let before = 0;
  server.metrics = () => {
    const looked = 1 + 3000 * (server.asked.length - before);
    const engines = [0, 1].map((engine) =>
      `vllm:num_requests_running{engine="${engine}"} 0\n` +
      `vllm:prefix_cache_queries_total{engine="${engine}"} ${looked}\n` +
      `vllm:prefix_cache_hits_total{engine="${engine}"} 0\n`
    );
    return new Response(`${engines.join("")}process_start_time_seconds ${startedAt}\n`);
  };
  await using gateway = await startGateway({
    config: {
      instances: [{ url: server.url, model_name: "m", name: "gpu" }],
      load_balancing_strategy: "prefix_aware",
      scrape: { interval: 0.05, timeout: 60, stale_after: 60 },
      health_check: false,
    },
  });
  const messages = [{ role: "user", content: "over and over ".repeat(1714) }];
  const place = async () => {
    const answer = await gateway.post("/v1/chat/completions", { model: "m", messages });
    assert.equal(answer.status, 200, await answer.text());
    return answer.headers.get("x-gateway-route")!.split(";")[0];
  };
  const becomes = (wanted: RegExp, what: string) =>
    waitFor(async () => wanted.test(await place()), what, 30_000);
  await becomes(/^gpu\/[01]$/, "a rank to be named");
  // As often as it takes to see that nothing foretold comes true.
  await becomes(/^gpu$/, "ranks to be one place");
  before = server.asked.length;
  startedAt += 100;
  await becomes(/^gpu\/[01]$/, "a rank to be named again");
});

/** A server of which a test says how many engines it shows, and where a chat is sent. */
async function showing(more: GatewayConfig) {
  const stack = new AsyncDisposableStack();
  const server = stack.use(startTelling("gpu"));
  const gateway = stack.use(
    await startGateway({
      config: {
        instances: [{ url: server.url, model_name: "m", name: "gpu" }],
        load_balancing_strategy: "prefix_aware",
        ...more,
      },
    }),
  );
  const messages = [{ role: "user", content: "over and over ".repeat(400) }];
  return {
    server,
    show(engines: number) {
      const lines = Array.from(
        { length: engines },
        (_, engine) => `vllm:num_requests_running{engine="${engine}"} 0\n`,
      );
      server.metrics = () => new Response(lines.join(""));
    },
    /** A look at its metrics has begun that ends when the returned is called. */
    async looksInVain(): Promise<() => void> {
      const { promise, resolve } = Promise.withResolvers<Response>();
      let waits = false;
      server.metrics = () => {
        waits = true;
        return promise;
      };
      await waitFor(() => waits, "a look that does not end");
      return () => resolve(new Response(null, { status: 503 }));
    },
    /** No request fails until then. */
    becomes: (wanted: RegExp, what: string) =>
      waitFor(
        async () => {
          const answer = await gateway.post("/v1/chat/completions", { model: "m", messages });
          const text = await answer.text();
          assert.equal(answer.status, 200, text);
          return wanted.test(answer.headers.get("x-gateway-route")!.split(";")[0]);
        },
        what,
        30_000,
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

Deno.test("39: a server that says nothing is one place, until its metrics show its ranks again", async () => {
  await using stand = await showing({
    scrape: { interval: 0.05, timeout: 60 },
    health_check: false,
  });
  stand.show(4);
  await stand.becomes(/^gpu\/[0-3]$/, "a rank to be named");
  stand.server.metrics = () => new Response(null, { status: 503 });
  await stand.becomes(/^gpu$/, "ranks to be one place");
  stand.show(2);
  await stand.becomes(/^gpu\/[01]$/, "a rank to be named again");
});

Deno.test("39: a server that is found down is one place, before its metrics are seen again", async () => {
  await using stand = await showing({
    scrape: { interval: 0.05, timeout: 600 },
    health_check: { interval: 0.1 },
  });
  stand.show(4);
  await stand.becomes(/^gpu\/[0-3]$/, "a rank to be named");
  const endLook = await stand.looksInVain();
  try {
    stand.server.isWell = false;
    await stand.becomes(/^gpu$/, "ranks to be one place");
  } finally {
    endLook();
  }
});

Deno.test("39: a rank that is there no more costs no request, before metrics are seen again", async () => {
  await using stand = await showing({
    scrape: { interval: 0.05, timeout: 600 },
    health_check: false,
  });
  stand.show(4);
  await stand.becomes(/^gpu\/[0-3]$/, "a rank to be named");
  const endLook = await stand.looksInVain();
  try {
    // Whatever the gateway names, it is not there.
    stand.server.engines = 0;
    await stand.becomes(/^gpu$/, "ranks to be one place");
    stand.server.engines = 2;
    stand.show(2);
  } finally {
    endLook();
  }
  await stand.becomes(/^gpu\/[01]$/, "a rank to be named again");
});
