// What instances say of themselves reaches the choice, and whatever they say refuses nobody. Numbers are those
// of the edge cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import { gatewayFor } from "../support/gateway_for.ts";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { completion } from "../support/upstream.ts";
import { waitFor } from "../support/wait.ts";
import { load, startTelling, type TellingVllm } from "./telling_vllm.ts";
import { freePort } from "../support/ports.ts";

const SCRAPE = { interval: 0.05, timeout: 5, stale_after: 60 };

function gatewayBefore(instances: TellingVllm[], more: Record<string, unknown> = {}) {
  return gatewayFor(instances.map(({ url }, n) => ({ url, model_name: "m", name: "ab"[n] })), {
    load_balancing_strategy: "prefix_aware",
    scrape: SCRAPE,
    health_check: false,
    ...more,
  });
}

let asked = 0;
/** Asks with a prompt that nobody has seen. */
async function ask(
  gateway: GatewayProcess,
  model = "m",
): Promise<{ status: number; text: string }> {
  const messages = [{ role: "user", content: `question ${asked++}` }];
  const answer = await gateway.post("/v1/chat/completions", { model, messages });
  return { status: answer.status, text: await answer.text() };
}

async function answered(gateway: GatewayProcess, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const { status, text } = await ask(gateway);
    assert.equal(status, 200, text);
  }
}

/** The next look after this has been taken in. */
async function seen(...instances: TellingVllm[]): Promise<void> {
  const before = instances.map(({ looks }) => looks);
  await waitFor(
    () => instances.every(({ looks }, n) => looks >= before[n] + 2),
    "two more looks at the metrics",
  );
}

Deno.test("17: an instance that others keep busy gets less, from the next look on, and more when they left", async () => {
  await using a = startTelling("a");
  await using b = startTelling("b");
  a.metrics = () => load({ running: 60, waiting: 40 });
  await using gateway = await gatewayBefore([a, b]);
  await seen(a, b);
  await answered(gateway, 10);
  assert.deepEqual([a.asked.length, b.asked.length], [0, 10]);
  a.metrics = () => load({});
  await seen(a);
  await answered(gateway, 10);
  assert.ok(a.asked.length >= 4, `${a.asked.length} of 10`);
});

const odd: Record<string, () => Response | Promise<Response>> = {
  "nothing within the timeout": () => new Promise(() => {}),
  "an error": () => new Response("no", { status: 500 }),
  "30 MB": () => new Response(`${"x".repeat(99)}\n`.repeat(300_000)),
  "a page": () => new Response("<html><body>vllm:num_requests_running</body></html>"),
  "no numbers": () =>
    new Response("vllm:num_requests_waiting NaN\nvllm:num_requests_running +Inf\n"),
  "other names": () => new Response("process_cpu_seconds_total 3\n"),
  "a flood of series": () =>
    new Response(
      Array.from({ length: 20_000 }, (_, n) => `vllm:num_requests_running{engine="${n}"} 0`).join(
        "\n",
      ),
    ),
};

for (const [name, metrics] of Object.entries(odd)) {
  Deno.test(`15: metrics that are ${name} keep no request from any instance`, async () => {
    await using a = startTelling("a");
    await using b = startTelling("b");
    a.metrics = metrics;
    await using gateway = await gatewayBefore([a, b]);
    await waitFor(() => a.looks >= 1 && b.looks >= 2, "looks at both");
    await answered(gateway, 12);
    assert.ok(a.asked.length >= 4, `${a.asked.length} of 12`);
  });
}

Deno.test("15: what was said last counts until it is stale, then own traffic only", async () => {
  await using a = startTelling("a");
  await using b = startTelling("b");
  a.metrics = () => load({ running: 60, waiting: 40 });
  await using gateway = await gatewayBefore([a, b], { scrape: { ...SCRAPE, stale_after: 5 } });
  await seen(a, b);
  a.metrics = () => new Response("gone", { status: 500 });
  await answered(gateway, 2);
  assert.equal(a.asked.length, 0);
  await waitFor(async () => {
    await answered(gateway, 1);
    return a.asked.length > 0;
  }, "a request to the instance whose metrics are stale");
});

Deno.test("without scrape, and with strategies that look at no prompts, nobody is asked for metrics", async () => {
  for (const more of [{ scrape: false }, { load_balancing_strategy: "round_robin" }]) {
    await using a = startTelling("a");
    await using other = startTelling("other", ["n"]);
    await using _gateway = await startGateway({
      config: {
        instances: [{ url: a.url, model_name: "m" }, { url: other.url, model_name: "*" }],
        load_balancing_strategy: "prefix_aware",
        scrape: SCRAPE,
        model_discovery: { interval: SCRAPE.interval },
        health_check: false,
        ...more,
      },
    });
    // As often as metrics would have been.
    await waitFor(() => other.lists >= 5, "five looks at models");
    assert.equal(a.looks + other.looks, 0, JSON.stringify(more));
    // Names are fixed, and contexts are gone by only where prompts are looked at.
    if ("load_balancing_strategy" in more) assert.equal(a.lists, 0);
  }
});

Deno.test("31: an instance with model_name * serves what it lists, at the start, loaded and unloaded later", async () => {
  await using a = startTelling("a", ["base"]);
  await using gateway = await startGateway({
    config: {
      instances: [{ url: a.url, model_name: "*", name: "a" }],
      model_discovery: { interval: 0.05 },
    },
  });
  assert.equal((await ask(gateway, "base")).status, 200);
  assert.equal((await ask(gateway, "adapter")).status, 404);
  a.models = [{ id: "base" }, { id: "adapter", parent: "base" }];
  await waitFor(async () => (await ask(gateway, "adapter")).status === 200, "the adapter");
  await waitFor(
    async () => {
      const list = await (await fetch(`${gateway.url}/v1/models`)).json();
      return list.data.some((one: { id: string; parent?: string }) =>
        one.id === "adapter" && one.parent === "base"
      );
    },
    "the adapter in the list, with its base",
  );
  a.models = [{ id: "base" }];
  await waitFor(async () => (await ask(gateway, "adapter")).status === 404, "its end");
  // What an instance no longer has takes it out for nobody else.
  assert.equal((await ask(gateway, "base")).status, 200);
});

Deno.test("31: a fixed name and * may be mixed, and a dead one with * keeps no gateway from starting", async () => {
  await using a = startTelling("a", ["extra"]);
  await using b = startTelling("b", ["m", "extra"]);
  const port = freePort();
  await using gateway = await startGateway({
    config: {
      instances: [
        { url: a.url, model_name: ["*"], name: "a" },
        { url: b.url, model_name: "m", name: "b" },
        { url: `http://127.0.0.1:${port}`, model_name: "*", name: "dead" },
      ],
    },
  });
  for (let n = 0; n < 3; n++) {
    assert.equal((await ask(gateway, "m")).status, 200);
    assert.equal((await ask(gateway, "extra")).status, 200);
  }
  assert.deepEqual([...new Set(a.asked)], ["extra"]);
  assert.deepEqual([...new Set(b.asked)], ["m"]);
});

for (const workers of [1, 2]) {
  Deno.test(`31: a model that nobody is known for, or that one has lost, has the lists read at once (workers: ${workers})`, async () => {
    await using a = startTelling("a", ["base", "old"]);
    await using b = startTelling("b", ["base", "old"]);
    await using gateway = await startGateway({
      config: {
        instances: [
          { url: a.url, model_name: "*", name: "a" },
          { url: b.url, model_name: "*", name: "b" },
        ],
        workers,
        // Nobody is asked again for as long as the test lasts.
        model_discovery: { interval: 3600 },
        health_check: false,
      },
    });
    await waitFor(() => a.lists > 0 && b.lists > 0, "first looks");
    assert.equal((await ask(gateway, "adapter")).status, 404);
    b.models = [...b.models, { id: "adapter", parent: "base" }];
    await waitFor(async () => (await ask(gateway, "adapter")).status === 200, "the adapter");
    assert.ok(!a.asked.includes("adapter"));
    // Whatever clients ask for, each is looked at once a second at most.
    const [before, began] = [a.lists, performance.now()];
    for (let n = 0; n < 200; n++) assert.equal((await ask(gateway, `none-${n}`)).status, 404);
    const most = 2 + (performance.now() - began) / 1000;
    assert.ok(a.lists - before <= most, `${a.lists - before} looks`);

    a.models = [{ id: "base" }];
    const looked = a.lists;
    // Until the loss is known another one answers, whoever was asked first.
    await waitFor(async () => {
      assert.equal((await ask(gateway, "old")).status, 200);
      return a.lists > looked && a.asked.at(-1) === "old";
    }, "a look at the one that lost it");
    await waitFor(async () => {
      const asked = a.asked.length;
      for (let n = 0; n < 6; n++) assert.equal((await ask(gateway, "old")).status, 200);
      return a.asked.length === asked;
    }, "its end at the one that lost it");
    assert.equal((await ask(gateway, "base")).status, 200);
  });
}

/** An answer that says beside it how many requests wait. */
function answerWith(report: string | null): () => Response {
  return () => {
    const answer = completion("yes");
    if (report !== null) answer.headers.set("endpoint-load-metrics", report);
    return answer;
  };
}

Deno.test("15: whole answers bring the load along where that is wanted, and clients see it only if they asked", async () => {
  await using a = startTelling("a");
  const scrape = { interval: 3600, stale_after: 3600, with_answers: true };
  await using gateway = await gatewayBefore([a], { scrape });
  const report = (waiting: number) =>
    `JSON ${
      JSON.stringify({ named_metrics: { kv_cache_usage_perc: 0.5, num_requests_waiting: waiting } })
    }`;
  const others = async () => {
    const messages = [{ role: "user", content: "hello" }];
    const explained = await gateway.post("/admin/explain", { model: "m", messages });
    return (await explained.json()).instances[0].weighed.others;
  };
  const asks = async (headers: Record<string, string> = {}, stream = false) => {
    const messages = [{ role: "user", content: "hello" }];
    const answer = await gateway.post("/v1/chat/completions", { model: "m", messages, stream }, {
      headers,
    });
    await answer.text();
    return answer.headers.get("endpoint-load-metrics");
  };
  await waitFor(() => a.looks > 0, "the one look");
  // What was said before the look was taken in is of no account.
  await waitFor(async () => {
    a.answer = answerWith(report(40));
    assert.equal(await asks(), null);
    return await others() >= 39;
  }, "the load of an answer");
  for (
    const odd of [
      null,
      "JSON {",
      "JSON []",
      'JSON {"named_metrics":{"num_requests_waiting":"x"}}',
      "TEXT a=1",
    ]
  ) {
    a.answer = answerWith(odd);
    assert.equal(await asks(), null);
    assert.ok(await others() >= 39, `${odd} changes nothing`);
  }
  a.answer = answerWith(report(0));
  assert.equal(await asks(), null);
  await waitFor(async () => await others() === 0, "the load of the last answer");
  assert.deepEqual([...new Set(a.formats)], ["json"]);
  a.formats.length = 0;
  a.answer = answerWith("TEXT named_metrics.num_requests_waiting=3.0");
  const own = await asks({ "endpoint-load-metrics-format": "text" });
  assert.equal(own, "TEXT named_metrics.num_requests_waiting=3.0");
  assert.deepEqual(a.formats, ["text"]);
});

Deno.test("15: nobody is asked for the load with its answers by default", async () => {
  await using a = startTelling("a");
  await using gateway = await gatewayBefore([a]);
  await answered(gateway, 3);
  assert.deepEqual(a.formats, [null, null, null]);
});
