// Where a request would go if it came now, from its bytes: read as a request is, and then only asked about.

import { apiAt } from "../api/dialects.ts";
import type { Config } from "../config/config.ts";
import { upstreamName } from "../config/names.ts";
import { rankIn } from "../forward/header_rules.ts";
import { RequestError } from "../http/client.ts";
import type { HeaderList } from "../http/message.ts";
import type { By, ExplainedInstance, Left } from "../pool/explanation.ts";
import type { Fleet } from "../pool/fleet.ts";
import type { Pool } from "../pool/pool.ts";
import { sessionOf } from "./session.ts";
import { readFields } from "./read.ts";

export interface ExplainedRequest {
  readonly path: string;
  /** Of the caller, for its salt; null for none. */
  readonly group: string | null;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
}

/** The answer of POST /admin/explain. */
export interface ExplainAnswer {
  readonly model: string;
  /** The name that the instances know it by. */
  readonly upstream_model: string;
  readonly strategy: string;
  /** Name of the instance; null where none would be asked now. */
  readonly instance: string | null;
  readonly by: By;
  /** Requests that wait for room. */
  readonly waiting: number;
  /** null where the strategy does not look at prompts. */
  readonly prompt: {
    readonly tokens: number;
    readonly bytes: number;
    readonly bytes_per_token: number;
    readonly chunks: number;
    readonly answer_tokens: number;
  } | null;
  readonly instances: readonly InstanceAnswer[];
}

export interface InstanceAnswer {
  readonly instance: string;
  /** Why it is left out; null where it comes into question. */
  readonly left: Left | null;
  readonly in_flight: number;
  readonly max_context: number | null;
  readonly metrics_age_s: number | null;
  /** null for a fallback, and where prompts are not looked at. */
  readonly weighed: {
    readonly cached_tokens: number;
    readonly tokens_to_compute: number;
    readonly tokens_before: number;
    readonly others: number;
    readonly unanswered: number;
    readonly tokens_per_second: number;
    readonly cost_s: number;
  } | null;
}

/** Throws RequestError for a request that would be refused. */
export async function explainRequest(
  fleet: Fleet,
  config: Config,
  { path, group, headers, body }: ExplainedRequest,
): Promise<ExplainAnswer> {
  const api = apiAt(path);
  const request = { method: "POST", target: path, headers };
  const fields = await readFields(request, body, api, config.routing.session);
  const model = fields.model ?? (fleet.models.length === 1 ? fleet.models[0] : null);
  const pool = model === null ? undefined : fleet.pool(model);
  if (model === null || pool === undefined) {
    throw new RequestError(404, `No such model; there are: ${fleet.models.join(", ")}`);
  }
  const salt = group === null ? null : saltOf(config, group);
  const prompt = salt === null ? fields.prompt : { ...fields.prompt, salt };
  const chain = pool.chainOf(body, prompt);
  const { session: named } = config.routing;
  // Of a gateway with keys nobody knows here whose session it would be.
  const session = named === null ? 0 : sessionOf(named, headers, fields.session, 0, model);
  const rank = rankIn(headers);
  const ask = { model, priority: 0, chain, answerTokens: prompt.answerTokens, session, rank };
  const told = fleet.locked(() =>
    pool.explain(ask, keeperName(fleet, pool, fields.previousResponseId))
  );
  return {
    model,
    upstream_model: upstreamName(pool.instances[0].config, model),
    strategy: config.strategy,
    instance: told.instance,
    by: told.by,
    waiting: pool.waiting,
    prompt: told.prompt === null ? null : {
      tokens: told.prompt.tokens,
      bytes: told.prompt.bytes,
      bytes_per_token: told.prompt.bytesPerToken,
      chunks: told.prompt.chunks,
      answer_tokens: told.prompt.answerTokens,
    },
    instances: told.instances.map(answerOf),
  };
}

/** Throws RequestError for a group that is none. */
function saltOf({ callers }: Config, group: string): string | null {
  const groups = callers?.groups ?? {};
  if (!Object.hasOwn(groups, group)) throw new RequestError(404, `No such group: ${group}`);
  return groups[group].cacheSalt;
}

/** As far as it is known here: nobody is asked. */
function keeperName({ shared }: Fleet, pool: Pool, responseId: string | null): string | null {
  if (responseId === null) return null;
  const key = shared.stored.keeperOf(responseId);
  return pool.instances.find((one) => one.addressKey === key)?.name ?? null;
}

function answerOf(one: ExplainedInstance): InstanceAnswer {
  const { name, left, inFlight, contextLength, seenMs, weight } = one;
  return {
    instance: name,
    left,
    in_flight: inFlight,
    max_context: contextLength,
    metrics_age_s: seenMs === null ? null : seenMs / 1000,
    weighed: weight === null ? null : {
      cached_tokens: weight.cached,
      tokens_to_compute: weight.work,
      tokens_before: weight.backlog,
      others: weight.others,
      unanswered: weight.unanswered,
      tokens_per_second: weight.speed,
      cost_s: weight.seconds,
    },
  };
}
