// What servers say of their load. Numbers are those of the edge cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import { readMetrics } from "../../../lib/pool/load/vllm_metrics.ts";
import { cpuMsOf } from "../../support/cpu.ts";

/** As vLLM 0.32 writes it. */
const NOW = `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="qwen3"} 7.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="qwen3"} 3.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="qwen3",reason="capacity"} 90.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="qwen3",reason="deferred"} 80.0
vllm:kv_cache_usage_perc{engine="0",model_name="qwen3"} 0.25
vllm:prefix_cache_queries_total{engine="0",model_name="qwen3"} 120000.0
vllm:prefix_cache_queries_created{engine="0",model_name="qwen3"} 1.79e+09
vllm:prefix_cache_hits_total{engine="0",model_name="qwen3"} 45000.0
vllm:engine_sleep_state{engine="0",model_name="qwen3",sleep_state="awake"} 1.0
vllm:engine_sleep_state{engine="0",model_name="qwen3",sleep_state="weights_offloaded"} 0.0
vllm:cache_config_info{block_size="16",cache_dtype="auto",enable_prefix_caching="True",engine="0",num_gpu_blocks="10000"} 1.0
process_start_time_seconds 1.79541e+09
`;

Deno.test("a vLLM of today", () => {
  assert.deepEqual(readMetrics(NOW)?.whole, {
    running: 7,
    waiting: 3,
    kvUsage: 0.25,
    queries: 120_000,
    hits: 45_000,
    kvTokens: 160_000,
    cachesPrefixes: true,
    isAsleep: false,
    startedAt: 1_795_410_000,
  });
});

Deno.test("15: the names of older vLLMs, and of SGLang", () => {
  const old = readMetrics([
    'vllm:num_requests_running{model_name="m"} 2',
    'vllm:num_requests_waiting{model_name="m"} 1',
    'vllm:gpu_cache_usage_perc{model_name="m"} 0.5',
    'vllm:gpu_prefix_cache_queries_total{model_name="m"} 900',
    'vllm:gpu_prefix_cache_hits_total{model_name="m"} 100',
  ].join("\n"));
  assert.deepEqual(
    [old?.whole.running, old?.whole.waiting, old?.whole.kvUsage],
    [2, 1, 0.5],
  );
  assert.deepEqual([old?.whole.queries, old?.whole.hits, old?.ranks.size], [900, 100, 0]);
  const sglang = readMetrics([
    'sglang:num_running_reqs{model_name="m"} 5.0',
    'sglang:num_queue_reqs{model_name="m"} 6.0',
    'sglang:token_usage{model_name="m"} 0.28',
    'sglang:max_total_num_tokens{model_name="m"} 454142.0',
    'sglang:prompt_tokens_total{model_name="m"} 8000.0',
    'sglang:cached_tokens_total{model_name="m"} 2000.0',
  ].join("\n"))?.whole;
  assert.deepEqual(
    [sglang?.running, sglang?.waiting, sglang?.kvUsage, sglang?.kvTokens],
    [5, 6, 0.28, 454_142],
  );
  assert.deepEqual([sglang?.queries, sglang?.hits], [8000, 2000]);
});

Deno.test("15: eight engines: each for itself, and all together", () => {
  const lines = Array.from({ length: 8 }, (_, rank) => [
    `vllm:num_requests_running{engine="${rank}"} ${rank}`,
    `vllm:num_requests_waiting{engine="${rank}"} 1`,
    `vllm:kv_cache_usage_perc{engine="${rank}"} 0.${rank}`,
    `vllm:cache_config_info{block_size="16",num_gpu_blocks="100",engine="${rank}"} 1`,
  ]).flat();
  const load = readMetrics([...lines, "process_start_time_seconds 5"].join("\n"));
  assert.equal(load?.ranks.size, 8);
  assert.deepEqual(load?.ranks.get("6"), {
    running: 6,
    waiting: 1,
    kvUsage: 0.6,
    queries: null,
    hits: null,
    kvTokens: 1600,
    cachesPrefixes: null,
    isAsleep: false,
    startedAt: 5,
  });
  assert.deepEqual(
    [load?.whole.running, load?.whole.waiting, load?.whole.kvUsage, load?.whole.kvTokens],
    [28, 8, 0.7, 12_800],
  );
});

Deno.test("15: what is no number, no metric or nothing at all is passed over", () => {
  for (
    const text of [
      "",
      "<html><body>502 Bad Gateway</body></html>",
      "{}",
      'vllm:num_requests_running{engine="0"} NaN',
      'vllm:num_requests_running{engine="0"} +Inf',
      'vllm:num_requests_running{engine="0"} -3',
      'vllm:num_requests_running{engine="0"}',
      'vllm:num_requests_running{engine="0" 3',
      "x".repeat(9 * 2 ** 20),
    ]
  ) assert.equal(readMetrics(text), null, text.slice(0, 60));
  const part = readMetrics("vllm:num_requests_waiting 4\nvllm:kv_cache_usage_perc NaN\n");
  assert.deepEqual([part?.whole.waiting, part?.whole.running, part?.whole.kvUsage], [
    4,
    null,
    null,
  ]);
});

Deno.test("15: labels may hold braces, commas, quotes and spaces; a time stamp may follow", () => {
  for (
    const series of [
      'vllm:num_requests_running { model_name="a,b} \\" c" , engine="x" , } 9 1795410000000\r\n',
      'vllm:num_requests_running{model_name="a,b} \\" c",engine="x",} 9 1795',
    ]
  ) assert.equal(readMetrics(series)?.ranks.get("x")?.running, 9, series);
});

Deno.test("a server that sleeps says so; prefix caching that is off is seen", () => {
  const asleep = NOW.replace('sleep_state="awake"} 1.0', 'sleep_state="awake"} 0.0')
    .replace('enable_prefix_caching="True"', 'enable_prefix_caching="False"');
  assert.equal(readMetrics(asleep)?.whole.isAsleep, true);
  assert.equal(readMetrics(asleep)?.whole.cachesPrefixes, false);
});

Deno.test("15: thirty thousand lines of histograms are read within reason", () => {
  const histogram = Array.from(
    { length: 30_000 },
    (_, n) => `vllm:time_to_first_token_seconds_bucket{engine="0",le="${n}",model_name="m"} ${n}`,
  ).join("\n");
  const times = Array.from(
    { length: 5 },
    () => cpuMsOf(() => assert.equal(readMetrics(`${histogram}\n${NOW}`)?.whole.running, 7)),
  );
  assert.ok(Math.min(...times) < 300, `${Math.min(...times)} ms`);
});
