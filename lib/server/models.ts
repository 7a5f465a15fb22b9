// What the instances say of their models: asked for when somebody wants to know, remembered for a
// short while.

import type { Config, InstanceConfig } from "../config/config.ts";
import { requestHeaders } from "../forward/header_rules.ts";
import type { Transport } from "../forward/transport.ts";
import { targetUrl } from "../forward/target.ts";
import type { Fleet } from "../pool/fleet.ts";
import type { Instance } from "../pool/instance.ts";
import { fetchJson } from "./upstream_json.ts";

const REMEMBER_MS = 10_000;

/** One entry of an instance's /v1/models; vLLM adds max_model_len, root and more. */
type Entry = Record<string, unknown> & { id: string };

export class ModelCatalog {
  #known = new Map<string, { at: number; entries: Entry[] }>();

  constructor(
    private readonly fleet: Fleet,
    private readonly transportFor: (instance: Instance) => Transport,
    private readonly startedAtS = Math.floor(Date.now() / 1000),
  ) {}

  /** The list for clients: every configured model, with what its first answering instance says of it. */
  async list(config: Config): Promise<{ object: "list"; data: Entry[] }> {
    await this.refresh(config);
    return { object: "list", data: this.fleet.models.map((model) => this.#entry(model)) };
  }

  #entry(model: string): Entry {
    for (const instance of this.fleet.instances) {
      if (!instance.config.models.includes(model)) continue;
      const upstreamName = instance.config.upstreamModels[model] ?? model;
      const entry = this.#known.get(instance.config.id)?.entries.find((e) => e.id === upstreamName);
      if (entry !== undefined) return { ...entry, id: model };
    }
    return { id: model, object: "model", created: this.startedAtS, owned_by: "vllm" };
  }

  /** Asks every instance whose answer is older than ten seconds; remembers its context length. */
  async refresh(config: Config): Promise<void> {
    const now = performance.now();
    const ids = new Set(this.fleet.instances.map((instance) => instance.config.id));
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id);
    await Promise.all(this.fleet.instances.map(async (instance) => {
      const known = this.#known.get(instance.config.id);
      if (known !== undefined && now - known.at < REMEMBER_MS) return;
      const entries = await this.#ask(instance, config) ?? known?.entries ?? [];
      this.#known.set(instance.config.id, { at: now, entries });
      const longest = Math.max(0, ...entries.map((entry) => Number(entry.max_model_len) || 0));
      if (longest > 0) instance.learnContextLength(longest);
    }));
  }

  /** null when the instance does not answer in time or not in the expected form. */
  async #ask(instance: Instance, config: Config): Promise<Entry[] | null> {
    const answer = await fetchJson(this.transportFor(instance), {
      url: modelsUrl(instance.config),
      headers: requestHeaders([], instance.config.apiKey, "models"),
      timeoutS: config.healthCheck.timeoutS,
    });
    const data = (answer as { data?: unknown } | null)?.data;
    if (!Array.isArray(data)) return null;
    return data.filter((entry): entry is Entry => typeof entry?.id === "string");
  }
}

function modelsUrl(instance: InstanceConfig): string {
  return targetUrl(instance, "/v1/models");
}
