// What an instance is asked for, and how its answer becomes the client's. The first ask is the client's
// own request; those after a break ask for what is missing. Failing over is resuming with nothing sent.

import type { Api } from "../api/api.ts";
import type { InstanceConfig } from "../config/config.ts";
import type { ForwardRequest } from "./request.ts";
import type { ResumeWay } from "../api/dialect.ts";
import type { Prepared, Question } from "./question.ts";
import { OptionRefused } from "./option_refused.ts";
import { askingForIds, TokenIds } from "./resume/token_ids.ts";
import type { Stage } from "./stage.ts";
import { bodyWith, type Replacement } from "./target.ts";

export interface Ask {
  /** How a broken answer goes on; null while the client has nothing. */
  readonly way: ResumeWay | null;
  /** Path and query. */
  readonly target: string;
  /** The API of the answer; null where it is not understood. */
  readonly api: Api | null;
  /** What must be known before it can be asked; missing where that is nothing. */
  prepare?(ask: Question): Promise<Prepared>;
  /** The body for an instance that knows the model by `upstreamModel`, in pieces. */
  body(instance: InstanceConfig, upstreamModel: string | undefined): readonly Uint8Array[];
  /** Where the token ids of the answer are gathered; null where the instance is not asked for any. */
  ids(instance: InstanceConfig): TokenIds | null;
  /** Whether the instance is asked for usage that the client did not ask for. */
  hidesUsage(instance: InstanceConfig): boolean;
  /** What stands between the answer and the client; made anew for each attempt. */
  stages(): readonly Stage[];
}

const encoder = new TextEncoder();
const NO_STAGES: readonly Stage[] = [];

/** Which instances are not asked for token ids, since they refused a request for that. */
export class IdsRefused extends OptionRefused {
  /** A fallback is often a vendor's service, which refuses what it does not know. */
  override has(instance: InstanceConfig): boolean {
    return instance.fallback || super.has(instance);
  }
}

/** The client's own request. */
export class FirstAsk implements Ask {
  readonly way = null;

  /** `idsWanted`: a break would be mended by token ids. `usage`: what asks for usage, null for none. */
  constructor(
    private readonly request: ForwardRequest,
    private readonly idsWanted: boolean,
    private readonly refused: IdsRefused,
    private readonly usage: Replacement | null,
    private readonly usageRefused: OptionRefused,
  ) {}

  get target(): string {
    return this.request.target;
  }

  get api(): Api | null {
    return this.request.api;
  }

  body(instance: InstanceConfig, upstreamModel: string | undefined): readonly Uint8Array[] {
    const { body, modelSpans, jsonBody } = this.request;
    const replacements: Replacement[] = [];
    if (upstreamModel !== undefined) {
      const bytes = encoder.encode(jsonBody ? JSON.stringify(upstreamModel) : upstreamModel);
      for (const span of modelSpans) replacements.push({ span, bytes });
    }
    if (this.hidesUsage(instance)) replacements.push(this.usage!);
    const pieces = bodyWith(body, replacements);
    return this.asksForIds(instance) ? askingForIds(pieces) : pieces;
  }

  ids(instance: InstanceConfig): TokenIds | null {
    return this.asksForIds(instance) ? new TokenIds(this.request.wantsIds) : null;
  }

  asksForIds(instance: InstanceConfig): boolean {
    return this.idsWanted && !this.refused.has(instance);
  }

  hidesUsage(instance: InstanceConfig): boolean {
    return this.usage !== null && !this.usageRefused.has(instance);
  }

  stages(): readonly Stage[] {
    return NO_STAGES;
  }
}
