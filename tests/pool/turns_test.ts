// Turns belong to a model at an instance: models that are asked for in turn must not divide the
// instances among them.

import assert from "node:assert/strict";
import { MAX_TURNS } from "../../lib/pool/memory/fleet_memory.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { startFleet } from "../faults/fleet.ts";
import { FleetStand } from "./stand.ts";

type Counts = Record<string, Record<string, number>>;

function both(models: readonly string[], more: Record<string, unknown> = {}) {
  return {
    instances: ["a", "b"].map((name, index) => ({
      url: `http://10.0.0.${index + 1}:8000/v1`,
      model_name: models,
      name,
    })),
    ...more,
  };
}

/** Asks for one model after the other, at one stand after the other; who got how many of each. */
function alternate(stands: readonly FleetStand[], models: readonly string[], rounds: number) {
  const counts: Counts = {};
  for (let round = 0; round < rounds; round++) {
    for (const model of models) {
      const stand = stands[round % stands.length];
      const lease = stand.fleet.pool(model)!.acquire(() => true);
      assert.ok(lease !== null && lease !== "full");
      const of = counts[model] ??= { a: 0, b: 0 };
      of[lease.instance.name]++;
      lease.release("success");
    }
  }
  return counts;
}

for (const strategy of ["round_robin", "least_connections"]) {
  Deno.test(`two models asked for in turn each get half of both instances, by ${strategy}`, () => {
    const stand = new FleetStand(both(["big", "small"], { load_balancing_strategy: strategy }));
    assert.deepEqual(alternate([stand], ["big", "small"], 100), {
      big: { a: 50, b: 50 },
      small: { a: 50, b: 50 },
    });
  });

  Deno.test(`so they do where two workers take the turns, by ${strategy}`, () => {
    const options = both(["big", "small"], { load_balancing_strategy: strategy });
    const shared = SharedState.create();
    const first = new FleetStand(options, shared);
    const second = new FleetStand(options, new SharedState(shared.buffer, 1));
    assert.deepEqual(alternate([first, second], ["big", "small"], 100), {
      big: { a: 50, b: 50 },
      small: { a: 50, b: 50 },
    });
  });
}

Deno.test("turns live on over a reload", () => {
  const stand = new FleetStand(both(["big", "small"]));
  const counts: Counts = { big: { a: 0, b: 0 } };
  for (let i = 0; i < 20; i++) {
    const lease = stand.fleet.pool("big")!.acquire(() => true);
    assert.ok(lease !== null && lease !== "full");
    counts.big[lease.instance.name]++;
    lease.release("success");
    stand.apply(both(["big", "small"], { error_threshold: 5 + i }));
  }
  assert.deepEqual(counts, { big: { a: 10, b: 10 } });
});

Deno.test("an instance of more models than there is room for turns shares them among the last", () => {
  const models = Array.from({ length: 2 * MAX_TURNS }, (_, index) => `lora-${index}`);
  const shared = SharedState.create();
  const stand = new FleetStand(both(models), shared);
  const { byteLength } = shared.buffer;
  assert.ok(byteLength < 16 * 1024 * 1024, `${byteLength} bytes, whatever is configured`);
  const counts = alternate([stand], models, 10);
  const first = models.slice(0, 3).concat(models.slice(MAX_TURNS + 1, MAX_TURNS + 3));
  for (const model of first) {
    const { a, b } = counts[model];
    assert.equal(a + b, 10, model);
  }
  const sum = Object.values(counts).reduce((sum, { a }) => sum + a, 0);
  assert.equal(sum, 10 * models.length / 2, "the instances have equal shares");
});

for (const workers of [1, 2]) {
  Deno.test(`clients that ask for two models in turn meet both instances with each, ${workers} worker(s)`, async () => {
    await using fleet = await startFleet({
      config: { workers },
      simulate: ["--model", "big", "--model", "small"],
      each: () => ({ model_name: ["big", "small"] }),
    });
    const counts: Counts = {};
    for (let i = 0; i < 20; i++) {
      const model = ["big", "small"][i % 2];
      const response = await fleet.chat({ model, max_tokens: 1 }, {
        headers: { connection: "close" },
      });
      assert.equal(response.status, 200, await response.text());
      const name = response.headers.get("x-gateway-instance")!;
      const of = counts[model] ??= { "sim-0": 0, "sim-1": 0 };
      of[name]++;
    }
    assert.deepEqual(counts, {
      big: { "sim-0": 5, "sim-1": 5 },
      small: { "sim-0": 5, "sim-1": 5 },
    });
  });
}
