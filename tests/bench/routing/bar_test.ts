// The router is held to the bar of the routing simulation: "43" is the edge case of docs/decisions/routing.md.

import assert from "node:assert/strict";
import { policies } from "./adapter.ts";
import { Fleet } from "./simulation/fleet.ts";
import { WORKLOADS } from "./simulation/workloads.ts";
import { BAR, figuresText, missed, ours, POINTS, SEEDS, SHARED, three } from "./bar.ts";

for (const seed of SEEDS) {
  Deno.test(`43: the bar of the simulation is kept, seed ${seed}`, () => {
    const misses = BAR.flatMap((row) => {
      const figures = ours(row.workload, seed, row.engine);
      const wrong = missed(row, figures);
      return wrong === "" ? [] : [`${row.workload}: ${wrong} (${figuresText(figures)})`];
    });
    assert.deepEqual(misses, []);
  });

  Deno.test(`43: three gateways with notes hit what one hits, seed ${seed}`, () => {
    const losses = SHARED.map((workload) =>
      [workload, 100 * (ours(workload, seed).hits - three(workload, seed).hits)] as const
    ).filter(([, points]) => points > POINTS);
    assert.deepEqual(losses, []);
  });
}

Deno.test("36: a gateway that is killed and started under load has four fifths of its hits after 30 s", () => {
  for (const workload of ["a", "b", "az"]) {
    const hits = (killedAtS?: number) => {
      const options = { seed: 1, fromS: 90, killedAtS };
      return new Fleet(WORKLOADS[workload], policies.ours, options).run().hits;
    };
    const [before, after] = [hits(), hits(60)];
    assert.ok(after >= 0.8 * before, `${workload}: ${after} of ${before}`);
  }
});

Deno.test("43: the simulation tells policies apart, and says the same twice", () => {
  assert.deepEqual(ours("b", 1), ours("b", 1));
  assert.notDeepEqual(ours("b", 1), ours("b", 2));
});
