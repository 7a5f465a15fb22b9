// Options of routing as the program sees them, and the way there from the file's words.

import type { RawConfig } from "./schema.ts";

/** What counts how much when a prompt is placed. */
export interface RoutingWeights {
  /** How much dearer than waiting it is to compute something again. */
  readonly recompute: number;
  /** And how much more for each request that waits there. */
  readonly crowd: number;
  /** A request under way counts as this share of the work of a usual one. */
  readonly company: number;
  /** No more than this times the fair share of the requests … */
  readonly loadBound: number;
  /** … unless it has fewer than this. */
  readonly loadSlack: number;
}

/** How clients say which requests belong together. */
export interface SessionConfig {
  /** In lower case. */
  readonly headers: readonly string[];
  readonly body: readonly string[];
  readonly mode: "prefer" | "pin";
}

export interface RoutingConfig {
  readonly weights: RoutingWeights;
  /** Those of models that differ. */
  readonly models: Readonly<Record<string, RoutingWeights>>;
  /** Whether what instances hold outlives the process. */
  readonly keepsIndex: boolean;
  /** Who is told why an instance was chosen, and how much of it. */
  readonly header: "off" | "short" | "full";
  /** null where sessions are of no account. */
  readonly session: SessionConfig | null;
}

/** How instances are asked about their load; null for not at all. */
export interface ScrapeConfig {
  readonly intervalS: number;
  readonly path: string;
  readonly timeoutS: number;
  /** What is older counts nothing. */
  readonly staleAfterS: number;
  /** Whether whole answers are asked to bring it along. */
  readonly withAnswers: boolean;
}

/** How instances are asked about their models; null for only when somebody wants to know. */
export interface ModelDiscoveryConfig {
  readonly intervalS: number;
}

/** As the file says, with all that it leaves out. */
export function normaliseRouting(
  { routing, load_balancing_strategy: strategy }: RawConfig,
): RoutingConfig {
  const weights = {
    recompute: routing.recompute_weight,
    crowd: routing.crowd_weight,
    company: routing.company_weight,
    loadBound: routing.load_bound,
    loadSlack: routing.load_slack,
  };
  const models = Object.entries(routing.models).map(([model, own]) =>
    [model, {
      recompute: own.recompute_weight ?? weights.recompute,
      crowd: own.crowd_weight ?? weights.crowd,
      company: own.company_weight ?? weights.company,
      loadBound: own.load_bound ?? weights.loadBound,
      loadSlack: own.load_slack ?? weights.loadSlack,
    }] as const
  );
  return {
    weights,
    models: Object.fromEntries(models),
    keepsIndex: routing.keep_index,
    header: routing.explain_header,
    session: strategy === "prefix_aware" ? sessionConfig(routing.session) : null,
  };
}

function sessionConfig({ headers, body, mode }: RawConfig["routing"]["session"]) {
  if (mode === "off" || headers.length + body.length === 0) return null;
  return { headers: headers.map((name) => name.toLowerCase()), body, mode };
}

export function normaliseScrape(
  { scrape, load_balancing_strategy: strategy }: RawConfig,
): ScrapeConfig | null {
  return scrape === false ? null : {
    intervalS: scrape.interval,
    path: scrape.path,
    timeoutS: scrape.timeout,
    staleAfterS: scrape.stale_after,
    // Others do not go by it.
    withAnswers: scrape.with_answers && strategy === "prefix_aware",
  };
}

export function normaliseModelDiscovery(
  { model_discovery: discovery }: RawConfig,
): ModelDiscoveryConfig | null {
  return discovery === false ? null : { intervalS: discovery.interval };
}
