// What instances say of their load, for the strategies that look at prompts: asked by the main isolate,
// noted in the memory that all workers share. Metrics that are late or odd cost nothing but the answer.

import { strategies } from "../pool/balancing/strategies.ts";
import type { Instance } from "../pool/instance.ts";
import { logger } from "../observe/log.ts";
import { type InstanceLoad, ranksIn, readMetrics } from "../pool/load/vllm_metrics.ts";
import { Rounds } from "../pool/rounds.ts";
import { askMetrics } from "../server/ask_instance.ts";
import type { Runtime } from "./runtime.ts";
import type { Reloadable, Snapshot, Snapshots } from "./snapshots.ts";

export class LoadWatch implements Reloadable {
  readonly #rounds: Rounds;
  /** By id, instances whose ranks are no places of their own, for what goes to one lands anywhere. */
  readonly #unheeded = new Set<string>();
  /** By id, how many ranks the last look has shown. */
  readonly #shown = new Map<string, number>();

  constructor(private readonly snapshots: Snapshots, private readonly runtime: Runtime) {
    this.#rounds = new Rounds(runtime.fleet, (instance) => this.#look(instance), Math.random);
    snapshots.join(this);
  }

  /** Asks from now on. */
  start(): void {
    this.apply(this.snapshots.current);
  }

  apply({ config }: Snapshot): void {
    const { looksAtPrompts } = strategies[config.strategy];
    this.#rounds.configure(
      looksAtPrompts && config.scrape !== null ? config.scrape.intervalS : null,
    );
  }

  close(): void {
    this.#rounds.close();
  }

  async #look(instance: Instance): Promise<boolean> {
    const { scrape } = this.snapshots.config;
    if (scrape === null) return false;
    const transport = this.runtime.transportFor(instance);
    const text = await askMetrics(transport, instance, scrape.path, scrape.timeoutS);
    const load = text === null ? null : readMetrics(text);
    if (load === null) return false;
    const ranks = ranksIn(load);
    const isAnew = this.runtime.fleet.scraped(instance, load.whole, ranks);
    this.#lookAtRanks(instance, ranks, isAnew);
    return true;
  }

  #lookAtRanks(instance: Instance, ranks: readonly InstanceLoad[], isAnew: boolean): void {
    const { id } = instance.config;
    if (isAnew) this.#unheeded.delete(id);
    if (instance.ranks.length > 0 && !this.runtime.fleet.heedsRanks(instance)) {
      this.#unheeded.add(id);
      // As one place it is believed again.
      this.runtime.fleet.lostCache(instance);
      const message = "what goes to one of its ranks is not found there again: they count as one";
      logger.warning("{instance}: {message}", { instance: instance.name, message });
    }
    const before = this.#shown.get(id);
    this.#shown.set(id, ranks.length);
    const count = this.#unheeded.has(id) ? 0 : ranks.length;
    // Fewer count at once, more when they were shown twice: metrics that come and go change nothing for long.
    if (count > instance.ranks.length && before !== ranks.length) return;
    this.snapshots.ranked(id, count);
  }
}
