// `workers: "auto"`: the main isolate serves, and workers beside it as long as it is busy. When one joins,
// clients come to it with their next connection; one that leaves has its clients' answers first.

import type { Config } from "../../config/config.ts";
import type { Moved } from "../../forward/moving.ts";
import { guarded } from "../../observe/guarded.ts";
import { logger } from "../../observe/log.ts";
import { BusyMeter, threadCpuMs } from "../../machine/busy_meter.ts";
import { ElasticRule, type ElasticRules } from "./elastic_rule.ts";
import type { Runtime } from "../runtime.ts";
import type { Serving } from "../serving.ts";
import type { Warden } from "./warden.ts";
import type { WorkerPool } from "./worker_pool.ts";

/** How often it is looked at; oftener where the rules are quicker. */
const LOOK_MS = 1000;
const SHORTEST_LOOK_MS = 50;
/** A worker that could not be added is not tried again for so long. */
const AGAIN_MS = 30_000;
/** At this share of `busy` one may soon be needed: the warden that makes it is there then. */
const SOON = 0.5;

export interface ElasticParts {
  readonly runtime: Runtime;
  /** Without workers of its own. */
  readonly pool: WorkerPool;
  /** Makes the workers of `pool`. */
  readonly warden: Warden;
  /** In force. */
  rules(): ElasticRules;
  now(): number;
  /** Something to tell those who look. */
  onChange(message: string): void;
}

export class ElasticWorkers implements Serving {
  readonly #rule = new ElasticRule();
  readonly #meter = new BusyMeter();
  #address = { hostname: "", port: 0 };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isEnding = false;
  #notBefore = -Infinity;
  #calmSince: number | null = null;

  constructor(private readonly parts: ElasticParts) {}

  get isolates(): number {
    return 1 + this.parts.pool.isolates;
  }

  start(hostname: string, port: number): Promise<number> {
    return Promise.try(() => {
      const listener = this.parts.runtime.listen({ hostname, port, reusePort: true });
      this.#address = { hostname, port: listener.port };
      this.#lookLater();
      return listener.port;
    });
  }

  async move(instance: string): Promise<Moved> {
    const { runtime, pool } = this.parts;
    const there = pool.move(instance);
    const { moved, staying } = runtime.move(instance);
    const others = await there;
    return { moved: moved + others.moved, staying: staying + others.staying };
  }

  async caughtUp(): Promise<readonly string[]> {
    const { runtime, pool } = this.parts;
    const problems = await Promise.all([runtime.caughtUp(), pool.caughtUp()]);
    return [...new Set(problems.flat())];
  }

  async drain(): Promise<void> {
    this.#end();
    await Promise.all([this.parts.runtime.drain(), this.parts.pool.drain()]);
  }

  async handOver(): Promise<void> {
    this.#end();
    await Promise.all([this.parts.runtime.handOver(), this.parts.pool.handOver()]);
  }

  async close(): Promise<void> {
    this.#end();
    await this.parts.pool.close();
    this.parts.warden.close();
  }

  #end(): void {
    this.#isEnding = true;
    clearTimeout(this.#timer);
    this.#meter.close();
  }

  #lookLater(): void {
    const { afterS, calmS } = this.parts.rules();
    const soon = Math.max(SHORTEST_LOOK_MS, Math.min(afterS, calmS) * 1000 / 3);
    this.#timer = setTimeout(() => this.#look(), Math.min(LOOK_MS, soon));
  }

  #look(): void {
    const { pool, now, rules } = this.parts;
    const own = this.#meter.share();
    const shares = [own, ...pool.serving.map(({ share }) => share)];
    pool.look();
    const inForce = rules();
    const isSoon = own >= inForce.busy * SOON && inForce.most > 1;
    if (isSoon) this.#openWarden();
    else this.#dismiss(inForce);
    if (isSoon) this.#calmSince = null;
    if (!pool.isGrowing && now() >= this.#notBefore) {
      const change = this.#rule.look(now(), shares, inForce);
      if (change === "add") guarded("workers that come", () => this.#add(shares));
      // One after the other: those that leave may take as long as their streams.
      else if (change === "take_away" && !pool.isShrinking) this.#takeAway();
    }
    this.#lookLater();
  }

  /** Where no thread can be made, those who serve go on alone. */
  #openWarden(): void {
    const { warden, now } = this.parts;
    if (warden.isOpen || now() < this.#notBefore) return;
    try {
      warden.open();
    } catch (error) {
      this.#couldNot(error);
    }
  }

  #couldNot(error: unknown): void {
    this.#notBefore = this.parts.now() + AGAIN_MS;
    logger.error("no isolate could be added: {error}", { error });
  }

  async #add(shares: readonly number[]): Promise<void> {
    const { pool, runtime, onChange } = this.parts;
    const { hostname, port } = this.#address;
    try {
      await pool.add(hostname, port);
    } catch (error) {
      if (this.#isEnding) return;
      this.#couldNot(error);
      return;
    }
    if (this.#isEnding) return;
    runtime.spread();
    pool.spread();
    const percent = Math.round(100 * shares.reduce((sum, one) => sum + one, 0) / shares.length);
    onChange(`${this.isolates} isolates serve: ${percent} % of the time was work`);
  }

  /** The one with the fewest requests. */
  #takeAway(): void {
    const { pool, onChange } = this.parts;
    const [calmest] = pool.serving.toSorted((one, other) => one.running - other.running);
    if (calmest === undefined) return;
    pool.leave(calmest);
    const left = this.isolates;
    onChange(`${left === 1 ? "one isolate serves" : `${left} isolates serve`} again: it is calm`);
  }

  /** A warden takes memory; it goes when nothing was asked of it for a while. */
  #dismiss({ calmS }: ElasticRules): void {
    const { pool, warden, now } = this.parts;
    if (!warden.isOpen || !pool.isEmpty) {
      this.#calmSince = null;
      return;
    }
    this.#calmSince ??= now();
    if (now() - this.#calmSince >= calmS * 1000) warden.close();
  }
}

/** What the configuration says of it, on this machine. */
export function elasticRules({ autoWorkers: { max, busy, afterS, calmS } }: Config): ElasticRules {
  return { most: max ?? navigator.hardwareConcurrency, busy, afterS, calmS };
}

/** Whether workers can come and go here. */
export function canBeElastic({ listener }: Config): boolean {
  // Other systems do not share out the clients of a port, or not evenly; Deno.serve keeps its connections.
  return Deno.build.os === "linux" && listener === "http1" && threadCpuMs() !== null;
}
