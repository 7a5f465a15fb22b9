// Between a caller's limits and the forward loop: what a request is for, and what it has used in the end.

import type { Account } from "../forward/account.ts";
import type { ForwardRequest, Terms } from "../forward/request.ts";
import { type ClientRequest, RequestError } from "../http/client.ts";
import { latin1Text } from "../http/latin1.ts";
import type { Spent } from "../caller/usage/charge.ts";
import { NOTHING_SPENT, type Purpose, type Visit } from "../caller/visit.ts";
import { isCount } from "../sse/usage.ts";
import { sizeOf } from "../pool/prefix/prompt_size.ts";
import type { Findings } from "./forward_request.ts";

/** POST paths whose answers cost no tokens, or that count something else than tokens. */
const NO_TOKENS =
  /^\/(tokenize|detokenize|ping)$|\/(render|derender|count_tokens|input_tokens|cancel)$|^\/v1\/(audio|images)\//;
/** Where usage stands in a body: servers have it first or last. */
const USAGE_BYTES = 2048;
/** Of an answer that nobody has counted. */
const BYTES_PER_TOKEN = 4;

/** A look at what the gateway itself knows. */
export const LOOK: Purpose = { model: null, size: null, answers: 0, most: 0, slot: false };

/** What its caller's limits are asked for. */
export function purposeOf(client: ClientRequest, found: Findings): Purpose {
  const { path, api, body } = found;
  const { model, prompt, choices, jsonBody } = found.fields;
  return {
    model,
    size: usesTokens(client, path, jsonBody) ? sizeOf(body, prompt) : null,
    answers: api === null ? 0 : choices,
    most: prompt.answerTokens,
    slot: true,
  };
}

function usesTokens({ method }: ClientRequest, path: string, jsonBody: boolean): boolean {
  return method === "POST" && jsonBody && !NO_TOKENS.test(path);
}

/** What the forward loop has to know of a visit. */
export class CallerTerms implements Terms {
  readonly gate: Terms["gate"];
  readonly owner: number;
  readonly asksUsage: boolean;
  readonly promptTokens: number;

  /** `waits`: whether it has to wait for its limits first. */
  constructor(private readonly visit: Visit, client: ClientRequest, waits: boolean) {
    this.gate = waits ? () => passed(visit, client) : null;
    this.owner = visit.caller.scopes[0].hash;
    this.asksUsage = visit.asksUsage;
    this.promptTokens = visit.estimatedPrompt;
  }

  takePlace(): (() => void) | null {
    return this.visit.takePlace();
  }

  get noPlaceWords(): string {
    return this.visit.noPlaceWords;
  }

  ending(request: ForwardRequest, account: Account): void {
    this.visit.settle(spentOf(request, account, this.visit), account.outcome);
  }
}

async function passed(visit: Visit, client: ClientRequest) {
  try {
    return await visit.wait(client) ? "passed" : "gone";
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
}

/** What a request was estimated to need. */
type Estimated = Pick<Visit, "estimatedPrompt" | "estimatedAnswer">;

/** Of a request that nobody is charged for. */
export const NOT_ESTIMATED: Estimated = { estimatedPrompt: 0, estimatedAnswer: 0 };

/** What `request` has used, by what is known of its answer, and where nothing is, by what was estimated. */
export function spentOf(
  request: ForwardRequest,
  account: Account,
  { estimatedPrompt, estimatedAnswer }: Estimated,
): Spent {
  const { outcome, status, usage, pieces, response, streamed } = account;
  // What is fetched was made, and counted, before.
  if (request.client.method !== "POST" || outcome === "rejected") return NOTHING_SPENT;
  if (account.firstByteAt === null) {
    // An answer that is made whole shows nothing before its end: the prompt at least was computed.
    const wasAtWork = account.attempts.some(({ outcome }) => outcome === "aborted");
    return wasAtWork && outcome === "aborted" && !request.stream
      ? guessed(estimatedPrompt, 0)
      : NOTHING_SPENT;
  }
  if (status >= 400) return NOTHING_SPENT;
  const isExact = outcome === "complete" || account.isCounted;
  if (usage !== null) {
    return withPrompt({
      prompt: usage.promptTokens,
      cached: usage.cachedTokens ?? 0,
      completion: isExact ? usage.completionTokens : Math.max(usage.completionTokens, pieces),
      estimated: !isExact,
    }, estimatedPrompt);
  }
  if (streamed) return guessed(estimatedPrompt, pieces);
  if (!(response instanceof Uint8Array)) {
    // Embeddings as plain bytes tell no figures in them.
    return request.api !== null || countsTokens(request)
      ? guessed(estimatedPrompt, 0)
      : NOTHING_SPENT;
  }
  if (request.api !== null) {
    const completion = request.api === "responses" && isUnderWay(response)
      ? estimatedAnswer
      : Math.ceil(response.length / BYTES_PER_TOKEN);
    return guessed(estimatedPrompt, completion);
  }
  if (!countsTokens(request)) return NOTHING_SPENT;
  return withPrompt(countedIn(response) ?? guessed(0, 0), estimatedPrompt);
}

/**
 * No prompt has no tokens: a server that says so, or says nothing that is a count, has not counted them. Nor are more
 * of them cached than there are.
 */
function withPrompt(spent: Spent, estimatedPrompt: number): Spent {
  const isTold = spent.prompt > 0 || estimatedPrompt === 0;
  if (isTold && spent.cached <= spent.prompt) return spent;
  const prompt = isTold ? spent.prompt : estimatedPrompt;
  const cached = Math.min(spent.cached, prompt);
  return { ...spent, prompt, cached, estimated: spent.estimated || !isTold };
}

function guessed(prompt: number, completion: number): Spent {
  return { prompt, cached: 0, completion, estimated: true };
}

function countsTokens({ client, path, jsonBody }: ForwardRequest): boolean {
  return usesTokens(client, path, jsonBody);
}

/** A response that is made in the background says no more than that. */
function isUnderWay(body: Uint8Array): boolean {
  return /"status"\s*:\s*"(queued|in_progress)"/.test(latin1Text(body, 0, body.length));
}

/** Embeddings, ranks and scores: their usage has a total, and the prompt is all of it. */
function countedIn(body: Uint8Array): Spent | null {
  const { length } = body;
  const places = [latin1Text(body, 0, Math.min(length, USAGE_BYTES))];
  if (length > USAGE_BYTES) places.push(latin1Text(body, length - USAGE_BYTES, length));
  for (const text of places) {
    const usage = /"usage"\s*:\s*(\{[^{}]*)/.exec(text)?.[1];
    if (usage === undefined) continue;
    const figure = (name: string) => {
      const found = new RegExp(`"${name}"\\s*:\\s*(\\d+)`).exec(usage);
      const count = found === null ? null : Number(found[1]);
      return isCount(count) ? count : null;
    };
    const completion = figure("completion_tokens") ?? 0;
    const prompt = figure("prompt_tokens") ?? figure("total_tokens");
    if (prompt !== null) return { prompt, cached: 0, completion, estimated: false };
  }
  return null;
}
