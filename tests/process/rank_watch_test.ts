// When an instance's data-parallel ranks are places of their own, and when it is one place.

import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { Fleet } from "../../lib/pool/fleet.ts";
import { SlotTable } from "../../lib/pool/slot_table.ts";
import type { Instance } from "../../lib/pool/instance.ts";
import { readMetrics } from "../../lib/pool/load/vllm_metrics.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { RankWatch } from "../../lib/process/fleet/rank_watch.ts";
import { Snapshots } from "../../lib/process/snapshots.ts";

const HOUR_MS = 60 * 60 * 1000;

function stand() {
  const loaded = loadConfig(
    "test",
    JSON.stringify({
      instances: [{ url: "http://10.0.0.1:8000", model_name: "m", name: "gpu" }],
      load_balancing_strategy: "prefix_aware",
    }),
    () => undefined,
  );
  assert.ok(loaded.ok);
  const shared = SharedState.create();
  const snapshots = new Snapshots(loaded.config, new SlotTable(shared), () => false);
  let now = 1000;
  const fleet = new Fleet(shared, () => now, () => {});
  fleet.apply(loaded.config, snapshots.current.slots);
  snapshots.join({ apply: ({ config, slots }) => fleet.apply(config, slots) });
  const watch = new RankWatch(snapshots, fleet);
  const instance = () => fleet.instances[0];
  return {
    watch,
    instance,
    pass: (ms: number) => now += ms,
    ranks: () => instance().ranks.length,
    /** So many engines are shown, of a process with this start. */
    see: (
      engines: number,
      more: { startedAt?: number; caches?: string; asked?: Instance } = {},
    ) => {
      const lines = Array.from(
        { length: engines },
        (_, engine) =>
          `vllm:num_requests_running{engine="${engine}"} 0\n` +
          `vllm:cache_config_info{engine="${engine}",enable_prefix_caching="${
            more.caches ?? "True"
          }",block_size="16",num_gpu_blocks="1000"} 1`,
      );
      const text = [...lines, `process_start_time_seconds ${more.startedAt ?? 500}\n`].join("\n");
      watch.saw(more.asked ?? instance(), readMetrics(text)!);
    },
    /** Nothing of what is foretold for the instance comes true. */
    disappoint: () => {
      const { trust } = shared.routing;
      for (let n = 0; n < 1000; n++) trust.answered(instance().slot, 0, 6000);
      assert.ok(!fleet.heedsRanks(instance()));
    },
  };
}

Deno.test("more ranks count when they were shown twice, fewer at once", () => {
  const { see, ranks } = stand();
  see(4);
  assert.equal(ranks(), 0);
  see(4);
  assert.equal(ranks(), 4);
  see(2);
  assert.equal(ranks(), 2);
});

Deno.test("an instance that says nothing twice, or is down, is one place until two looks show its ranks", () => {
  const { see, ranks, watch, instance } = stand();
  for (let n = 0; n < 2; n++) see(4);
  watch.sawNothing(instance());
  see(4);
  watch.sawNothing(instance());
  assert.equal(ranks(), 4, "one that is silent for a moment");
  watch.sawNothing(instance());
  assert.equal(ranks(), 0);
  see(2);
  assert.equal(ranks(), 0);
  see(2);
  assert.equal(ranks(), 2);
  const asked = instance();
  watch.lost(asked.config.id);
  assert.equal(ranks(), 0);
  // It was asked before it was lost.
  see(2, { asked });
  assert.equal(ranks(), 0);
  see(2);
  assert.equal(ranks(), 2);
});

Deno.test("ranks that make no difference are one place for an hour, or until the server is started anew", () => {
  const { see, ranks, pass, disappoint } = stand();
  for (let n = 0; n < 2; n++) see(4);
  disappoint();
  for (let n = 0; n < 3; n++) see(4);
  assert.equal(ranks(), 0);
  // As one place it does no better, which tells nothing of the ranks.
  disappoint();
  pass(HOUR_MS - 1);
  see(4);
  assert.equal(ranks(), 0);
  pass(1);
  for (let n = 0; n < 3; n++) see(4);
  assert.equal(ranks(), 4, "an hour later");
  disappoint();
  see(4);
  assert.equal(ranks(), 0);
  for (let n = 0; n < 2; n++) see(4, { startedAt: 900 });
  assert.equal(ranks(), 4, "started anew");
});

Deno.test("a rank that is refused is one of too many; where all are shown still, they are one place", () => {
  const { see, ranks, pass, watch, instance } = stand();
  const { id } = instance().config;
  for (let n = 0; n < 2; n++) see(4);
  watch.refused(id, 4);
  assert.equal(ranks(), 0);
  for (let n = 0; n < 2; n++) see(2);
  assert.equal(ranks(), 2, "those that are there");
  watch.refused(id, 4);
  assert.equal(ranks(), 2, "told late");
  watch.refused(id, 2);
  for (let n = 0; n < 3; n++) see(2);
  assert.equal(ranks(), 0);
  pass(HOUR_MS);
  for (let n = 0; n < 2; n++) see(2);
  assert.equal(ranks(), 2);
  watch.refused(id, 2);
  for (let n = 0; n < 2; n++) see(2, { startedAt: 900 });
  assert.equal(ranks(), 2, "started anew");
});

Deno.test("where nothing is cached at all, nothing is held against the ranks", () => {
  const { see, ranks, disappoint } = stand();
  for (let n = 0; n < 2; n++) see(4, { caches: "False" });
  disappoint();
  for (let n = 0; n < 2; n++) see(4, { caches: "False" });
  assert.equal(ranks(), 4);
});
