// What the instances say of their models: asked for when somebody wants to know, remembered for a
// short while. How an instance is asked is left to the caller.

import type { Config } from "../../config/config.ts";
import { upstreamName } from "../../config/names.ts";
import type { Fleet } from "../fleet.ts";
import type { HealthVerdict } from "../health_check.ts";
import type { Instance } from "../instance.ts";

const REMEMBER_MS = 10_000;

/** One entry of an instance's /v1/models; vLLM adds max_model_len, root and more. */
export type ModelEntry = Record<string, unknown> & { id: string };

/** What came of asking for the list: the entries, a key that is refused, or nothing to go by. */
export type ModelsAnswer =
  | { kind: "list"; entries: ModelEntry[] }
  | { kind: "refused"; status: number }
  | { kind: "none" };

/** Asks the instance for its /v1/models, for so many seconds. Never rejects. */
export type AskModels = (instance: Instance, timeoutS: number) => Promise<ModelsAnswer>;

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
      const name = upstreamName(instance.config, model);
      const entry = this.#known.get(instance.config.id)?.entries.find(({ id }) => id === name);
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
      await this.#learn(instance, config.healthCheck.timeoutS);
    }));
  }

  /**
   * Asks one instance now, and compares what it says with what it is configured for. A list that is not
   * vLLM's proves nothing: other servers answer to names that they do not list.
   */
  async verify(instance: Instance, timeoutS: number): Promise<HealthVerdict> {
    const answer = await this.#learn(instance, timeoutS);
    if (answer.kind === "refused" && instance.config.apiKey !== null) {
      const message = `it refuses the api_key of the configuration: ` +
        `GET /v1/models answered ${answer.status}`;
      return { kind: "wrong", message };
    }
    // One that says itself what it serves is never wrong.
    if (answer.kind !== "list" || instance.config.listsModels) return { kind: "unknown" };
    const listed = answer.entries.map(({ id }) => id);
    const wanted = instance.config.models.map((model) => upstreamName(instance.config, model));
    const missing = wanted.filter((model) => !listed.includes(model));
    if (missing.length === 0) return { kind: "right" };
    const isVllm = answer.entries.some((entry) => entry.owned_by === "vllm");
    // An adapter that is not loaded yet is no reason to do without the other models.
    if (!isVllm || missing.length < wanted.length) return { kind: "unknown" };
    const message = `it does not serve ${missing.join(", ")}; its /v1/models has: ` +
      listed.slice(0, 10).join(", ");
    return { kind: "wrong", message };
  }

  /** The names that the instance lists; null where it gives no list. */
  async look(instance: Instance, timeoutS: number): Promise<readonly string[] | null> {
    const answer = await this.#learn(instance, timeoutS);
    return answer.kind === "list" ? answer.entries.map(({ id }) => id) : null;
  }

  async #learn(instance: Instance, timeoutS: number): Promise<ModelsAnswer> {
    const answer = await this.ask(instance, timeoutS);
    const { id } = instance.config;
    const entries = answer.kind === "list" ? answer.entries : this.#known.get(id)?.entries ?? [];
    this.#known.set(id, { at: this.fleet.now(), entries });
    // Not all of them as arguments of one call: a list may have more than the stack holds.
    let longest = 0;
    for (const entry of entries) longest = Math.max(longest, lengthOf(entry));
    if (longest > 0) instance.learnContextLength(longest);
    return answer;
  }
}

/** 0 where it says none: a list or an object in its place may not even have a text. */
function lengthOf({ max_model_len: length }: ModelEntry): number {
  return typeof length === "number" || typeof length === "string" ? Number(length) || 0 : 0;
}
