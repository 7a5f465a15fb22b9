// Two gateways, one of them with workers, and many clients that stay or leave, while the server that keeps
// their limits is frozen, emptied and started again: nobody notices, and in the end all is counted once.

import assert from "node:assert/strict";
import { type GatewayProcess, startGateway, startSimulators } from "../../support/processes.ts";
import { RedisServer, testWithRedis } from "../../support/redis_server.ts";
import { waitFor } from "../../support/wait.ts";
import { bearer, makeKey } from "./keyed.ts";

const CLIENTS = 8;
/** Requests that end in each state of the server. */
const EACH = 100;

interface Seen {
  whole: number;
  left: number;
  statuses: Set<number>;
}

/** Asks one gateway after the other until `over`; leaves every third stream in its middle. */
async function client(
  number: number,
  gateways: readonly GatewayProcess[],
  key: string,
  over: () => boolean,
  seen: Seen,
): Promise<void> {
  for (let turn = number; !over(); turn++) {
    const leaves = turn % 3 === 0;
    const stream = turn % 4 !== 1 || leaves;
    const leaving = new AbortController();
    const response = await gateways[turn % gateways.length].post("/v1/chat/completions", {
      model: "demo",
      stream,
      max_tokens: 5 + turn % 20,
      messages: [{ role: "user", content: `say ${number} ${turn}` }],
    }, { ...bearer(key), signal: leaving.signal });
    seen.statuses.add(response.status);
    if (!leaves) {
      await response.text();
      seen.whole++;
      continue;
    }
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let ended = false;
    while (!/"content":"[^"]/.test(text) && !ended) {
      const { done, value } = await reader.read();
      ended = done;
      text += value ?? "";
    }
    leaving.abort();
    await reader.closed.catch(() => {});
    seen.left++;
  }
}

testWithRedis(
  "access 15, 24: two gateways count everything once, whatever becomes of the server between them",
  async () => {
    await using redis = await RedisServer.start();
    await using fleet = await startSimulators({
      count: 2,
      args: ["--tokens-per-second", "200"],
    });
    const budget = { period: "month", tokens: 1_000_000_000 };
    const keys = ["web", "ci"].map((name) => makeKey(name, { group: "team", budget }));
    const config = {
      instances: fleet.urls.map((url) => ({ url, model_name: "demo" })),
      keys: keys.map(({ line }) => line),
      groups: [{ name: "team", concurrency: 1000, tokens_per_minute: 100_000_000, budget }],
      limits: { requests_per_minute: 1_000_000, concurrency: 500 },
      shared_state: { url: redis.url },
    };
    await using one = await startGateway({ config });
    await using other = await startGateway({ config, args: ["--workers", "2"] });
    const gateways = [one, other];
    const seen: Seen = { whole: 0, left: 0, statuses: new Set() };
    let over = false;
    const clients = Array.from(
      { length: CLIENTS },
      (_, i) => client(i, gateways, keys[i % 2].key, () => over, seen),
    );
    const someMore = async () => {
      const enough = seen.whole + seen.left + EACH;
      await waitFor(() => seen.whole + seen.left >= enough, () => JSON.stringify(seen));
    };
    await someMore();
    redis.freeze();
    await someMore();
    redis.thaw();
    await someMore();
    await redis.ask("FLUSHALL");
    await someMore();
    await redis.stop();
    await someMore();
    await redis.startAgain();
    await someMore();
    await waitFor(async () => await redis.ask("DBSIZE") as number > 0, "it to be used again");
    over = true;
    await Promise.all(clients);
    // A fault of the server's is no client's.
    assert.deepEqual([...seen.statuses], [200]);
    assert.ok(seen.whole > 20 && seen.left > 10, JSON.stringify(seen));
    const charged = { web: 0, ci: 0 };
    let lines = 0;
    await waitFor(async () => {
      lines = 0;
      charged.web = charged.ci = 0;
      for (const gateway of gateways) {
        const all = await countedIn(gateway);
        lines += all.length;
        for (const { key, tokens } of all) charged[key] += tokens;
      }
      return lines >= seen.whole + seen.left;
    }, () => `${lines} records of ${seen.whole + seen.left}`);
    assert.equal(lines, seen.whole + seen.left);
    for (const { key, line } of keys) {
      const name = line.name as "web" | "ci";
      for (const gateway of gateways) {
        let page: KeyPage | null = null;
        await waitFor(async () => {
          page = await (await fetch(`${gateway.url}/v1/key`, bearer(key))).json() as KeyPage;
          const { prompt_tokens, completion_tokens } = page.usage.month;
          return prompt_tokens + completion_tokens === charged[name] && page.in_flight === 0;
        }, () => `${name}: ${charged[name]} tokens at both; ${JSON.stringify(page)}`);
      }
    }
    await waitFor(async () => {
      const names = await redis.ask("KEYS", "{sag}:slots:*") as string[];
      const held = await Promise.all(names.map((name) => redis.ask("ZCARD", name)));
      return held.every((count) => count === 0);
    }, "all slots to be free");
    for (const gateway of gateways) {
      await gateway.stop();
      assert.doesNotMatch(gateway.output(), /internal error/);
    }
  },
);

interface KeyPage {
  in_flight: number;
  usage: { month: { prompt_tokens: number; completion_tokens: number } };
}

/** What each record of a gateway says that its key was charged. */
async function countedIn(
  gateway: GatewayProcess,
): Promise<{ key: "web" | "ci"; tokens: number }[]> {
  const counted = [];
  for (const folder of ["requests_responses", "incomplete"]) {
    const path = `${gateway.dataDir}/${folder}`;
    for await (const text of texts(path)) {
      for (const line of text.split("\n").slice(0, -1)) {
        const { key, charged } = JSON.parse(JSON.parse(line).meta);
        counted.push({ key, tokens: charged.prompt + charged.completion });
      }
    }
  }
  return counted;
}

async function* texts(folder: string): AsyncGenerator<string> {
  try {
    for await (const { name } of Deno.readDir(folder)) {
      yield await Deno.readTextFile(`${folder}/${name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
