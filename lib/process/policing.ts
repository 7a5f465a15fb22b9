// The policies of one serving isolate, and what they ask of it: models of its own fleet, guards, the length of a
// prompt.

import type { PolicyConfig } from "../config/policies.ts";
import { within } from "../http/within.ts";
import { Guards } from "../policy/guard/guards.ts";
import { PoliciesInForce } from "../policy/in_force.ts";
import type { PolicyServices } from "../policy/services.ts";
import type { Pool } from "../pool/pool.ts";
import { askModel, askTokens, type ModelAsker } from "../server/questions/ask_model.ts";
import { PromptCounters } from "../server/questions/prompt_counter.ts";

/** A reload is not kept waiting for a plugin that hangs. */
const TRIED_MS = 10_000;

export interface PolicingParts extends ModelAsker {
  /** The module that isolates of plugins begin with. */
  readonly module: string;
  /** How long a count of tokens is waited for. */
  countTimeoutMs(): number;
  onError(error: unknown): void;
  onNotice?(message: string): void;
}

export class Policing {
  readonly inForce: PoliciesInForce;
  readonly #guards: Guards;

  constructor(parts: PolicingParts) {
    const { module, fleet, onError } = parts;
    const onWorks = (policy: string) =>
      parts.onNotice?.(`plugin of policy \`${policy}\` is in force`);
    const ask: PolicyServices["askModel"] = (model, body, ms) => askModel(parts, model, body, ms);
    const guards = this.#guards = new Guards({ module, askModel: ask, onError, onWorks });
    const counters = new PromptCounters((model, prompt) =>
      askTokens(parts, model, prompt, parts.countTimeoutMs())
    );
    this.inForce = new PoliciesInForce({
      counterOf: (model) => counters.of(model),
      contextOf: (model) => longestContext(fleet.pool(model)),
      askModel: ask,
      guardOf: (policy) => guards.get(policy),
      now: () => new Date(),
    }, (configs, reading) => guards.apply(configs, reading));
  }

  /** The next configuration's. */
  apply(policies: readonly PolicyConfig[], reading: number): void {
    this.inForce.apply(policies, reading);
  }

  /**
   * Once the policies that were applied last are in force: what is said of plugins among them that do not work.
   * One that takes longer to be tried is told in the log. Never rejects.
   */
  async caughtUp(): Promise<readonly string[]> {
    await this.inForce.ready;
    return await within(TRIED_MS, this.#guards.tried(), []);
  }

  close(): void {
    this.#guards.close();
  }
}

/** Of the instances of a pool; null where none tells. */
function longestContext(pool: Pool | undefined): number | null {
  const lengths = pool?.instances.flatMap(({ contextLength }) => contextLength ?? []) ?? [];
  return lengths.length === 0 ? null : Math.max(...lengths);
}
