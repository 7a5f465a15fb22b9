// The instance's numbers and their Prometheus text, with the names and labels that vLLM gives them.

/** Upper bounds of vLLM's histograms, in seconds or tokens. */
const BOUNDS: Record<string, number[]> = {
  time_to_first_token_seconds: [.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5],
  inter_token_latency_seconds: [.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5],
  e2e_request_latency_seconds: [.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60],
  request_queue_time_seconds: [.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60],
  request_prompt_tokens: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000],
  request_generation_tokens: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000],
};

const FINISH_REASONS = ["stop", "length", "abort", "error", "repetition"];

interface Histogram {
  counts: number[];
  sum: number;
  count: number;
}

/** What one instance counts. */
export class Metrics {
  running = 0;
  waiting = 0;
  promptTokens = 0;
  promptTokensCached = 0;
  generationTokens = 0;
  /** Requests refused because the server was full. */
  rejections = 0;
  finished = Object.fromEntries(FINISH_REASONS.map((reason) => [reason, 0]));
  #histograms = new Map<string, Histogram>();

  /** Notes one value of a histogram of BOUNDS. */
  observe(name: string, value: number): void {
    let histogram = this.#histograms.get(name);
    if (!histogram) {
      histogram = { counts: BOUNDS[name].map(() => 0), sum: 0, count: 0 };
      this.#histograms.set(name, histogram);
    }
    const bucket = BOUNDS[name].findIndex((bound) => value <= bound);
    if (bucket >= 0) histogram.counts[bucket]++;
    histogram.sum += value;
    histogram.count++;
  }

  /** Counts a finished request; a tool call is a stop to the engine. */
  finish(reason: string): void {
    const known = FINISH_REASONS.includes(reason) ? reason : "stop";
    this.finished[known]++;
  }

  /** The text of GET /metrics. */
  text(
    model: string,
    sleepState: "awake" | "weights_offloaded",
    cache: {
      queries: number;
      hits: number;
      usage: number;
      blocks: number;
      blockSize: number;
      preemptions: number;
    },
  ): string {
    const labels = `engine="0",model_name="${model.replace(/(["\\])/g, "\\$1")}"`;
    let text = "";
    const family = (
      name: string,
      type: string,
      lines: [suffix: string, more: string, value: number][],
    ) => {
      text += `# HELP vllm:${name} ${name.replaceAll("_", " ")}.\n# TYPE vllm:${name} ${type}\n`;
      for (const [suffix, more, value] of lines) {
        text += `vllm:${name}${suffix}{${labels}${more}} ${value}\n`;
      }
    };
    const gauge = (name: string, value: number) => family(name, "gauge", [["", "", value]]);
    const counter = (name: string, value: number) =>
      family(name, "counter", [["_total", "", value]]);
    gauge("num_requests_running", this.running);
    gauge("num_requests_waiting", this.waiting);
    family("num_requests_waiting_by_reason", "gauge", [
      ["", ',reason="capacity"', this.waiting],
      ["", ',reason="deferred"', 0],
    ]);
    gauge("kv_cache_usage_perc", cache.usage);
    family("engine_sleep_state", "gauge", [
      ["", ',sleep_state="awake"', sleepState === "awake" ? 1 : 0],
      ["", ',sleep_state="weights_offloaded"', sleepState === "awake" ? 0 : 1],
      ["", ',sleep_state="discard_all"', 0],
    ]);
    family("cache_config_info", "gauge", [[
      "",
      `,block_size="${cache.blockSize}",num_gpu_blocks="${cache.blocks}",enable_prefix_caching="${
        cache.blocks > 0 ? "True" : "False"
      }"`,
      1,
    ]]);
    counter("prefix_cache_queries", cache.queries);
    counter("prefix_cache_hits", cache.hits);
    counter("prompt_tokens", this.promptTokens);
    counter("prompt_tokens_cached", this.promptTokensCached);
    counter("generation_tokens", this.generationTokens);
    counter("num_preemptions", cache.preemptions);
    family("admission_rejections", "counter", [
      ["_total", ',reason="max_num_queued_reqs"', this.rejections],
      ["_total", ',reason="max_num_queued_tokens"', 0],
    ]);
    family(
      "request_success",
      "counter",
      FINISH_REASONS.map((
        reason,
      ) => ["_total", `,finished_reason="${reason}"`, this.finished[reason]]),
    );
    for (const name of Object.keys(BOUNDS)) {
      const histogram = this.#histograms.get(name);
      let below = 0;
      const lines: [string, string, number][] = BOUNDS[name].map((bound, index) => {
        below += histogram?.counts[index] ?? 0;
        return ["_bucket", `,le="${bound}"`, below];
      });
      lines.push(["_bucket", ',le="+Inf"', histogram?.count ?? 0]);
      lines.push(["_count", "", histogram?.count ?? 0], ["_sum", "", histogram?.sum ?? 0]);
      family(name, "histogram", lines);
    }
    return text;
  }
}
