// What instances say of their load, for the strategies that look at prompts: asked by the main isolate,
// noted in the memory that all workers share. Metrics that are late or odd cost nothing but the answer.

import { strategies } from "../../pool/balancing/strategies.ts";
import type { Instance } from "../../pool/instance.ts";
import { readMetrics } from "../../pool/load/vllm_metrics.ts";
import type { PoolEvent } from "../../pool/outlier.ts";
import { Rounds } from "../../pool/rounds.ts";
import { askMetrics } from "../../server/questions/ask_instance.ts";
import { RankWatch } from "./rank_watch.ts";
import type { Runtime } from "../runtime.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";

export class LoadWatch implements Reloadable {
  readonly #rounds: Rounds;
  readonly #ranks: RankWatch;

  constructor(private readonly snapshots: Snapshots, private readonly runtime: Runtime) {
    this.#rounds = new Rounds(runtime.fleet, (instance) => this.#look(instance), Math.random);
    this.#ranks = new RankWatch(snapshots, runtime.fleet);
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

  poolEvent({ kind, instance: name }: PoolEvent): void {
    if (kind !== "instance_down") return;
    const down = this.runtime.fleet.instances.find((one) => one.name === name);
    // Not from within the fleet, which tells of it in the middle of its work.
    if (down !== undefined) queueMicrotask(() => this.#ranks.lost(down.config.id));
  }

  /** The instance of this id refuses one of its data-parallel ranks, which are so many. */
  rankRefused(id: string, ranks: number): void {
    this.#ranks.refused(id, ranks);
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
    if (load === null) this.#ranks.sawNothing(instance);
    else this.#ranks.saw(instance, load);
    return load !== null;
  }
}
