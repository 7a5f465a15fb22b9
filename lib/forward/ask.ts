// What an instance is asked for, and how its answer becomes the client's. The first ask is the client's
// own request; those after a break ask for what is missing. Failing over is resuming with nothing sent.

import type { Api } from "../api/api.ts";
import type { Config } from "../config/config.ts";
import type { ForwardRequest } from "./request.ts";
import type { ResumeWay } from "./resume/plan.ts";
import { askingForIds, TokenIds } from "./resume/token_ids.ts";
import type { Stage } from "./stage.ts";
import { bodyFor } from "./target.ts";

export interface Ask {
  /** How a broken answer goes on; null while the client has nothing. */
  readonly way: ResumeWay | null;
  /** Path and query. */
  readonly target: string;
  /** The API of the answer; null where it is not understood. */
  readonly api: Api | null;
  /** The body for an instance that knows the model by `upstreamModel`, in pieces. */
  body(upstreamModel: string | undefined): readonly Uint8Array[];
  /** Where the token ids of the answer are gathered; null where none are asked for. */
  ids(): TokenIds | null;
  /** What stands between the answer and the client; made anew for each attempt. */
  stages(): readonly Stage[];
}

const encoder = new TextEncoder();
const NO_STAGES: readonly Stage[] = [];

/** The client's own request. */
export class FirstAsk implements Ask {
  readonly way = null;
  readonly #asksForIds: boolean;

  constructor(private readonly request: ForwardRequest, asksForIds: boolean) {
    this.#asksForIds = asksForIds;
  }

  get target(): string {
    return this.request.target;
  }

  get api(): Api | null {
    return this.request.api;
  }

  body(upstreamModel: string | undefined): readonly Uint8Array[] {
    const { body, modelSpans, jsonBody } = this.request;
    const replacement = upstreamModel === undefined
      ? null
      : encoder.encode(jsonBody ? JSON.stringify(upstreamModel) : upstreamModel);
    const pieces = bodyFor(body, modelSpans, replacement);
    return this.#asksForIds ? askingForIds(pieces) : pieces;
  }

  ids(): TokenIds | null {
    return this.#asksForIds ? new TokenIds() : null;
  }

  stages(): readonly Stage[] {
    return NO_STAGES;
  }
}

/** How answers to this model go on. */
export function resumeModeOf(config: Config, model: string) {
  return config.resume.models[model] ?? config.resume.default;
}
