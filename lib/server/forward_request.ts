// The one place where a request is put together as it is forwarded, once everything of it is known.

import type { Visit } from "../caller/visit.ts";
import type { Api } from "../api/dialects.ts";
import type { ForwardRequest, RouteTold, Terms } from "../forward/request.ts";
import type { ClientRequest } from "../http/client.ts";
import { header } from "../http/message.ts";
import type { RequestTrace } from "../observe/trace.ts";
import type { Policed } from "../policy/policy.ts";
import type { PolicyTrail } from "../policy/trail.ts";
import type { NamedFields } from "./request_fields.ts";

/** A request that has come in, and what goes with it on its way. */
export interface Incoming {
  readonly id: string;
  readonly client: ClientRequest;
  /** null where anyone may ask. */
  readonly visit: Visit | null;
  /** null where no policies are in force. */
  readonly trail: PolicyTrail | null;
  /** null where it is not traced. */
  readonly trace: RequestTrace | null;
}

/** What the gateway has found out about it. */
export interface Findings {
  /** Without the query. */
  readonly path: string;
  /** The API whose answers are understood and recorded; null for all others. */
  readonly api: Api | null;
  /** As it is forwarded. */
  readonly body: Uint8Array;
  /** Of `body`. */
  readonly fields: NamedFields;
  readonly isInference: boolean;
  /** Instance to prefer, or null. */
  readonly stickyTo: string | null;
  readonly session: number;
  readonly routeTold: RouteTold;
  /** null where no policy has a say. */
  readonly policed: Policed | null;
}

/** `terms` are those of its caller; null where anyone may ask. */
export function forwardRequest(
  { id, client, visit, trace }: Incoming,
  found: Findings,
  terms: Terms | null,
): ForwardRequest {
  const { fields } = found;
  const wish = wishedPriority(client);
  return {
    id,
    client,
    target: client.target,
    path: found.path,
    body: found.body,
    api: found.api,
    model: fields.model,
    modelSpans: fields.modelSpans,
    jsonBody: fields.jsonBody,
    stream: fields.stream,
    streamOptions: fields.streamOptions,
    choices: fields.choices,
    prompt: fields.prompt,
    wantsIds: fields.wantsIds,
    echoes: fields.echoes,
    isHeldBack: fields.isHeldBack,
    isForgotten: fields.isForgotten,
    isInference: found.isInference,
    priority: visit === null ? wish ?? 0 : visit.caller.priority(wish),
    stickyTo: found.stickyTo,
    session: found.session,
    routeTold: found.routeTold,
    policed: found.policed,
    terms,
    trace,
  };
}

/** `x-priority`: a whole number, higher first; anything else counts as 0. null where there is none. */
function wishedPriority(request: ClientRequest): number | null {
  const given = header(request.headers, "x-priority");
  if (given === undefined) return null;
  const value = Number(given);
  return Number.isInteger(value) && Math.abs(value) <= 1000 ? value : 0;
}
