// Reads what an inference server says of its load in Prometheus' text form: vLLM's names of several
// generations and SGLang's. One that serves several data-parallel ranks has a series for each `engine`.
// Whatever else stands there, or in place of it, is passed over.

/** null where the server does not say. */
export interface InstanceLoad {
  /** Requests that are computed, and those that wait to be. */
  readonly running: number | null;
  readonly waiting: number | null;
  /** Share of the KV cache that requests hold, 0 to 1. */
  readonly kvUsage: number | null;
  /** Tokens that were looked up in the prefix cache and found there, since the start. */
  readonly queries: number | null;
  readonly hits: number | null;
  /** Tokens that the KV cache holds. */
  readonly kvTokens: number | null;
  /** Whether prefix caching is on. */
  readonly cachesPrefixes: boolean | null;
  readonly isAsleep: boolean;
  /** When the process was started, in seconds since 1970. */
  readonly startedAt: number | null;
}

export interface ServerLoad {
  /** Of all ranks together; the KV usage is that of the fullest. */
  readonly whole: InstanceLoad;
  /** Of each `engine` label; empty where there is none, and where there are more than are told apart. */
  readonly ranks: ReadonlyMap<string, InstanceLoad>;
}

/**
 * Of each data-parallel rank, in the order of their numbers: none where there is one engine, or where the
 * labels do not number them without a gap, so that it is not known which is which.
 */
export function ranksIn({ ranks }: ServerLoad): readonly InstanceLoad[] {
  const labels = [...ranks.keys()];
  if (labels.length < 2 || !labels.every((label) => /^\d{1,6}$/.test(label))) return [];
  const numbered = labels.toSorted((a, b) => Number(a) - Number(b));
  const first = Number(numbered[0]);
  if (numbered.some((label, index) => Number(label) !== first + index)) return [];
  return numbered.map((label) => ranks.get(label)!);
}

type Quantity = "running" | "waiting" | "kvUsage" | "queries" | "hits" | "kvTokens" | "startedAt";

/** The first that is there counts. */
const NAMES: Readonly<Record<Quantity, readonly string[]>> = {
  running: ["vllm:num_requests_running", "sglang:num_running_reqs"],
  waiting: ["vllm:num_requests_waiting", "sglang:num_queue_reqs"],
  kvUsage: ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage"],
  queries: [
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_queries",
    "vllm:gpu_prefix_cache_queries_total",
    "vllm:gpu_prefix_cache_queries",
    "sglang:prompt_tokens_total",
  ],
  hits: [
    "vllm:prefix_cache_hits_total",
    "vllm:prefix_cache_hits",
    "vllm:gpu_prefix_cache_hits_total",
    "vllm:gpu_prefix_cache_hits",
    "sglang:cached_tokens_total",
  ],
  kvTokens: ["sglang:max_total_num_tokens"],
  startedAt: ["process_start_time_seconds"],
};
/** Its labels say how large the cache is. */
const CACHE_INFO = "vllm:cache_config_info";
const SLEEP_STATE = "vllm:engine_sleep_state";
const WANTED = new Set([...Object.values(NAMES).flat(), CACHE_INFO, SLEEP_STATE]);

/** More text than this is no server's metrics. */
const MAX_CHARS = 8 * 1024 * 1024;
/** Series of one name that are read. */
const MAX_SERIES = 1024;
/** Of a server that has more none is told from another. */
const MAX_RANKS = 64;

interface Series {
  labels: ReadonlyMap<string, string>;
  value: number;
}

/** What a /metrics text says; null where no number that is asked for stands in it. */
export function readMetrics(text: string): ServerLoad | null {
  if (text.length > MAX_CHARS) return null;
  const found = seriesIn(text);
  if (found.size === 0) return null;
  const engines = new Set<string>();
  for (const list of found.values()) {
    for (const { labels } of list) {
      const engine = labels.get("engine");
      if (engine !== undefined && engines.size <= MAX_RANKS) engines.add(engine);
    }
  }
  // A part of them would be all that ever work.
  if (engines.size > MAX_RANKS) engines.clear();
  const ranks = new Map([...engines].map((engine) => [engine, loadOf(found, engine)]));
  return { whole: loadOf(found, null), ranks };
}

function loadOf(found: ReadonlyMap<string, Series[]>, engine: string | null): InstanceLoad {
  const of = (name: string) =>
    (found.get(name) ?? []).filter(({ labels }) => {
      const label = labels.get("engine");
      return engine === null || label === undefined || label === engine;
    });
  const number = (quantity: Quantity, join: (values: number[]) => number): number | null => {
    for (const name of NAMES[quantity]) {
      const values = of(name).map(({ value }) => value);
      if (values.length > 0) return join(values);
    }
    return null;
  };
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const greatest = (values: number[]) => Math.max(...values);
  const usage = number("kvUsage", greatest);
  const info = of(CACHE_INFO).map(({ labels }) => labels);
  const awake = of(SLEEP_STATE).find(({ labels }) => labels.get("sleep_state") === "awake");
  return {
    running: number("running", sum),
    waiting: number("waiting", sum),
    kvUsage: usage === null ? null : Math.min(1, usage),
    queries: number("queries", sum),
    hits: number("hits", sum),
    kvTokens: number("kvTokens", sum) ?? tokensOf(info),
    cachesPrefixes: info.length === 0 ? null : truth(info[0].get("enable_prefix_caching")),
    isAsleep: awake?.value === 0,
    startedAt: number("startedAt", greatest),
  };
}

function tokensOf(info: readonly ReadonlyMap<string, string>[]): number | null {
  let tokens = 0;
  for (const labels of info) {
    tokens += Number(labels.get("block_size")) * Number(labels.get("num_gpu_blocks"));
  }
  return tokens > 0 ? tokens : null;
}

function truth(value: string | undefined): boolean | null {
  if (value === undefined) return null;
  return /^(true|1)$/i.test(value);
}

/** The wanted series by their names; what is not a number that can be, is left out. */
function seriesIn(text: string): Map<string, Series[]> {
  const found = new Map<string, Series[]>();
  for (const line of text.split("\n")) {
    const name = line.slice(0, nameEnd(line));
    if (!WANTED.has(name)) continue;
    const read = seriesOf(line.slice(name.length).trimStart());
    if (read === null || !Number.isFinite(read.value) || read.value < 0) continue;
    const list = found.get(name);
    if (list === undefined) found.set(name, [read]);
    else if (list.length < MAX_SERIES) list.push(read);
  }
  return found;
}

function nameEnd(line: string): number {
  const end = line.search(/[{\s]/);
  return end < 0 ? line.length : end;
}

/** Labels and value behind a name; null where they are malformed. */
function seriesOf(rest: string): Series | null {
  const labels = new Map<string, string>();
  let at = 0;
  if (rest[0] === "{") {
    // A quoted value may hold braces, commas and escaped quotes.
    const label = /\s*([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?\s*/y;
    at = 1;
    for (;;) {
      label.lastIndex = at;
      const match = label.exec(rest);
      if (match === null) break;
      labels.set(match[1], match[2]);
      at = label.lastIndex;
    }
    if (rest[at] !== "}") return null;
    at++;
  }
  const [value] = rest.slice(at).trim().split(/\s+/, 1);
  return value === "" || value === undefined ? null : { labels, value: Number(value) };
}
