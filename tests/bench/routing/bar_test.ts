// The router is held to the bar of the routing simulation: "43" is the edge case of docs/decisions/routing.md.

import assert from "node:assert/strict";
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

Deno.test("43: the simulation tells policies apart, and says the same twice", () => {
  assert.deepEqual(ours("b", 1), ours("b", 1));
  assert.notDeepEqual(ours("b", 1), ours("b", 2));
});
