// An engine's numbers and their Prometheus text, with the names and labels that vLLM gives them.

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

/** What the cache of an engine says of itself. */
export interface CacheFigures {
  queries: number;
  hits: number;
  usage: number;
  blocks: number;
  blockSize: number;
  preemptions: number;
}

type Line = [suffix: string, more: string, value: number];

/** What one engine counts. */
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

  /** Its lines of each family, in the order of the text. */
  families(sleepState: SleepState, cache: CacheFigures): Family[] {
    const gauge = (name: string, value: number): Family => [name, "gauge", [["", "", value]]];
    const counter = (name: string, value: number): Family => [
      name,
      "counter",
      [["_total", "", value]],
    ];
    return [
      gauge("num_requests_running", this.running),
      gauge("num_requests_waiting", this.waiting),
      ["num_requests_waiting_by_reason", "gauge", [
        ["", ',reason="capacity"', this.waiting],
        ["", ',reason="deferred"', 0],
      ]],
      gauge("kv_cache_usage_perc", cache.usage),
      ["engine_sleep_state", "gauge", [
        ["", ',sleep_state="awake"', sleepState === "awake" ? 1 : 0],
        ["", ',sleep_state="weights_offloaded"', sleepState === "awake" ? 0 : 1],
        ["", ',sleep_state="discard_all"', 0],
      ]],
      ["cache_config_info", "gauge", [[
        "",
        `,block_size="${cache.blockSize}",num_gpu_blocks="${cache.blocks}",enable_prefix_caching="${
          cache.blocks > 0 ? "True" : "False"
        }"`,
        1,
      ]]],
      counter("prefix_cache_queries", cache.queries),
      counter("prefix_cache_hits", cache.hits),
      counter("prompt_tokens", this.promptTokens),
      counter("prompt_tokens_cached", this.promptTokensCached),
      counter("generation_tokens", this.generationTokens),
      counter("num_preemptions", cache.preemptions),
      ["admission_rejections", "counter", [
        ["_total", ',reason="max_num_queued_reqs"', this.rejections],
        ["_total", ',reason="max_num_queued_tokens"', 0],
      ]],
      [
        "request_success",
        "counter",
        FINISH_REASONS.map((
          reason,
        ): Line => ["_total", `,finished_reason="${reason}"`, this.finished[reason]]),
      ],
      ...Object.keys(BOUNDS).map((name): Family => [name, "histogram", this.#histogramLines(name)]),
    ];
  }

  #histogramLines(name: string): Line[] {
    const histogram = this.#histograms.get(name);
    let below = 0;
    const lines = BOUNDS[name].map((bound, index): Line => {
      below += histogram?.counts[index] ?? 0;
      return ["_bucket", `,le="${bound}"`, below];
    });
    lines.push(["_bucket", ',le="+Inf"', histogram?.count ?? 0]);
    lines.push(["_count", "", histogram?.count ?? 0], ["_sum", "", histogram?.sum ?? 0]);
    return lines;
  }
}

export type SleepState = "awake" | "weights_offloaded";
export type Family = [name: string, type: string, lines: Line[]];

/** The text of GET /metrics: the families of each engine, of which each is labelled with its number. */
export function metricsText(model: string, engines: readonly Family[][]): string {
  const name = model.replace(/(["\\])/g, "\\$1");
  let text = "";
  for (const [at, [family, type]] of engines[0].entries()) {
    text += `# HELP vllm:${family} ${family.replaceAll("_", " ")}.\n`;
    text += `# TYPE vllm:${family} ${type}\n`;
    for (const [engine, families] of engines.entries()) {
      for (const [suffix, more, value] of families[at][2]) {
        const labels = `engine="${engine}",model_name="${name}"${more}`;
        text += `vllm:${family}${suffix}{${labels}} ${value}\n`;
      }
    }
  }
  return text;
}
