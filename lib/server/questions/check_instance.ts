// One active health check of one instance: whether its server lives, and whether its engine is awake. A
// vLLM that sleeps or pauses answers /health as ever, and no request.

import type { HealthCheckConfig } from "../../config/config.ts";
import { targetUrl } from "../../forward/target.ts";
import { type Transport, UpstreamError } from "../../forward/transport.ts";
import type { CheckResult } from "../../pool/health_check.ts";
import type { Instance } from "../../pool/instance.ts";
import { byId, type Roster } from "../../pool/roster.ts";
import { askInstance } from "./ask_instance.ts";

/** A server that says nothing of sleep is asked again after this: it may be another one by then. */
const ASK_AGAIN_MS = 600_000;
/** A page of metrics is long; it is not read more often than this. */
const METRICS_MS = 5000;

/** How an instance says that it sleeps. */
interface Way {
  /** paths: /is_sleeping and /is_paused (vLLM in dev mode); metrics: vllm:engine_sleep_state. */
  kind: "paths" | "metrics" | "none";
  askedAt: number;
  /** What was found then. */
  asleep: string | null;
}

export class InstanceCheck {
  /** By the id of the instance. */
  readonly #ways: Map<string, Way>;

  constructor(roster: Roster, private readonly now: () => number) {
    this.#ways = roster.remember(byId);
  }

  /**
   * Alive is any answer below 500: servers without a health path say 404, guarded ones 401. The body is
   * of no interest.
   */
  async run(
    transport: Transport,
    instance: Instance,
    config: HealthCheckConfig,
  ): Promise<CheckResult> {
    const { timeoutS } = config;
    const get = (path: string) =>
      askInstance(transport, instance, targetUrl(instance.config, path), timeoutS);
    try {
      const { status } = await get(config.path);
      if (status >= 500) {
        this.#ways.delete(instance.config.id);
        return { kind: "failed", message: `GET ${config.path} answered ${status}` };
      }
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      this.#ways.delete(instance.config.id);
      const kind = error.fault === "scarce"
        ? "unknown"
        : error.fault === "refused"
        ? "unreachable"
        : "failed";
      return { kind, message: error.message };
    }
    const text = async (path: string): Promise<string | null> => {
      try {
        const { status, body } = await get(path);
        return status === 200 ? new TextDecoder().decode(body) : null;
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        return null;
      }
    };
    const message = await this.#asleep(instance, text);
    return message === null ? null : { kind: "asleep", message };
  }

  async #asleep(
    instance: Instance,
    text: (path: string) => Promise<string | null>,
  ): Promise<string | null> {
    const { id } = instance.config;
    const way = this.#ways.get(id);
    const age = way === undefined ? Infinity : this.now() - way.askedAt;
    if (way?.kind === "metrics" && age < METRICS_MS) return way.asleep;
    if (way?.kind === "none" && age < ASK_AGAIN_MS) return null;
    const found = way?.kind === "metrics" ? null : await byPaths(text);
    const next = found ?? await byMetrics(text) ?? { kind: "none", asleep: null };
    this.#ways.set(id, { ...next, askedAt: this.now() });
    return next.asleep;
  }
}

type Found = Omit<Way, "askedAt">;

/** vLLM's own questions; null where it has none. */
async function byPaths(text: (path: string) => Promise<string | null>): Promise<Found | null> {
  const sleeping = flag(await text("/is_sleeping"), "is_sleeping");
  if (sleeping === null) return null;
  if (sleeping) return { kind: "paths", asleep: "its engine sleeps (GET /is_sleeping)" };
  const paused = flag(await text("/is_paused"), "is_paused") === true;
  return { kind: "paths", asleep: paused ? "its engine is paused (GET /is_paused)" : null };
}

/** `vllm:engine_sleep_state{sleep_state="awake"} 0`; null where the metrics have none. */
async function byMetrics(text: (path: string) => Promise<string | null>): Promise<Found | null> {
  const page = await text("/metrics");
  const awake = [...(page ?? "").matchAll(
    /^vllm:engine_sleep_state\{[^}\n]*sleep_state="awake"[^}\n]*\} ([0-9.e+-]+)/gm,
  )].map((match) => Number(match[1]));
  if (awake.length === 0) return null;
  // With several engines one that is awake answers.
  const asleep = awake.every((value) => value === 0);
  return { kind: "metrics", asleep: asleep ? "its engine sleeps (vllm:engine_sleep_state)" : null };
}

/** The field of a small JSON object, where it is a boolean. */
function flag(text: string | null, name: string): boolean | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text)?.[name];
    return typeof value === "boolean" ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
