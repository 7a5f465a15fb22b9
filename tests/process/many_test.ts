// What the main isolate does again and again stays a walk over its keys or instances, and never one walk for
// each of them: counted by how often their names are read.

import assert from "node:assert/strict";
import { Ledger } from "../../lib/caller/usage/ledger.ts";
import { UsageMemory } from "../../lib/caller/usage/usage_memory.ts";
import type { Config } from "../../lib/config/config.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { Accounts } from "../../lib/process/callers/accounts.ts";
import type { Bulletin } from "../../lib/process/alerts/bulletin.ts";
import { ProcessSource, type SourceParts } from "../../lib/process/pages/dashboard_source.ts";
import type { Snapshots } from "../../lib/process/snapshots.ts";
import { charge } from "../caller/usage/charges.ts";

const MANY = 400;

/** The same with a name whose readings are counted. */
function counted<T extends { readonly name: string }>(one: T, count: () => void): T {
  const { name } = one;
  return Object.defineProperty({ ...one }, "name", {
    get() {
      count();
      return name;
    },
    enumerable: true,
  });
}

function withKeys(dataDir: string): Config {
  const keys = Array.from({ length: MANY }, (_, at) => ({
    name: `key-${at}`,
    hash: `sha256:${at.toString(16).padStart(64, "0")}`,
    budget: { period: "day", tokens: 10 },
  }));
  const text = JSON.stringify({
    data_dir: dataDir,
    instances: [{ url: "http://10.0.0.1:8000", model_name: "m" }],
    keys,
  });
  const loaded = loadConfig("test", text, () => undefined);
  assert.ok(loaded.ok);
  return loaded.config;
}

Deno.test("the budgets of all keys are watched by one walk over them", async () => {
  const dataDir = await Deno.makeTempDir();
  try {
    const config = withKeys(dataDir);
    let read = 0;
    const keys = config.callers!.keys.map((key) => counted(key, () => read++));
    const raised: string[] = [];
    const bulletin: Partial<Bulletin> = {
      raise: (_kind, subject) => void raised.push(subject),
      end: () => false,
    };
    const snapshots = {
      current: { config: { ...config, callers: { ...config.callers!, keys } } },
      join() {},
    };
    const memory = UsageMemory.create();
    const accounts = new Accounts(
      memory,
      snapshots as unknown as Snapshots,
      bulletin as Bulletin,
      () => new Map(),
    );
    const ledger = new Ledger(memory, "UTC", Date.now);
    for (let at = 0; at < MANY; at++) {
      ledger.charge(charge({ key: `key-${at}`, prompt: 100, atMs: Date.now() }));
    }
    accounts.booked();
    ledger.close();
    await accounts.close();
    assert.equal(raised.length, MANY);
    assert.ok(read <= 4 * MANY, `${read} names of ${MANY} keys were read`);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("a second of the dashboard is one walk over the instances", () => {
  let read = 0;
  const nothing = {
    requests: 0,
    errors: 0,
    promptTokens: 0,
    completionTokens: 0,
    generatedTokens: 0,
  };
  const noToken = { p50: null, p99: null };
  const instances = Array.from({ length: MANY }, (_, at) =>
    // Two of each name.
    counted({ name: `pod-${at % (MANY / 2)}`, inFlight: at }, () => read++));
  const parts = {
    fleet: { instances, models: [] },
    counts: { total: nothing, instance: () => nothing, model: () => nothing },
    firstTokens: { total: noToken, instance: () => noToken, model: () => noToken },
    feed: { listen() {} },
  };
  const source = new ProcessSource(parts as unknown as SourceParts);
  source.close();
  assert.ok(read <= 4 * MANY, `${read} names of ${MANY} instances were read`);
  assert.equal(source.history().instances["pod-7"].in_flight.at(-1), 7 + 7 + MANY / 2);
});
