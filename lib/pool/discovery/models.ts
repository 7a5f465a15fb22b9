// What the instances say of their models: asked for when somebody wants to know, remembered for a
// short while. How an instance is asked is left to the caller.

import type { Config } from "../../config/config.ts";
import type { Fleet } from "../fleet.ts";
import type { Instance } from "../instance.ts";

const REMEMBER_MS = 10_000;

/** One entry of an instance's /v1/models; vLLM adds max_model_len, root and more. */
export type ModelEntry = Record<string, unknown> & { id: string };

/** The entries that the instance lists within so many seconds; null when it does not. Never rejects. */
export type AskModels = (instance: Instance, timeoutS: number) => Promise<ModelEntry[] | null>;

export class ModelCatalog {
  #known = new Map<string, { at: number; entries: ModelEntry[] }>();

  constructor(
    private readonly fleet: Fleet,
    private readonly ask: AskModels,
    private readonly startedAtS = Math.floor(Date.now() / 1000),
  ) {}

  /** The list for clients: every configured model, with what its first answering instance says of it. */
  async list(config: Config): Promise<{ object: "list"; data: ModelEntry[] }> {
    await this.refresh(config);
    return { object: "list", data: this.fleet.models.map((model) => this.#entry(model)) };
  }

  #entry(model: string): ModelEntry {
    for (const instance of this.fleet.instances) {
      if (!instance.config.models.includes(model)) continue;
      const upstreamName = instance.config.upstreamModels[model] ?? model;
      const entry = this.#known.get(instance.config.id)?.entries.find((e) => e.id === upstreamName);
      if (entry !== undefined) return { ...entry, id: model };
    }
    return { id: model, object: "model", created: this.startedAtS, owned_by: "vllm" };
  }

  /** Asks every instance whose answer is older than ten seconds; it learns its context length. */
  async refresh(config: Config): Promise<void> {
    const now = this.fleet.now();
    const ids = new Set(this.fleet.instances.map((instance) => instance.config.id));
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id);
    await Promise.all(this.fleet.instances.map(async (instance) => {
      const known = this.#known.get(instance.config.id);
      if (known !== undefined && now - known.at < REMEMBER_MS) return;
      const asked = await this.ask(instance, config.healthCheck.timeoutS);
      const entries = asked ?? known?.entries ?? [];
      this.#known.set(instance.config.id, { at: now, entries });
      const longest = Math.max(0, ...entries.map((entry) => Number(entry.max_model_len) || 0));
      if (longest > 0) instance.learnContextLength(longest);
    }));
  }
}
