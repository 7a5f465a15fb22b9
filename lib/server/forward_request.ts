// The one place where a request is put together as it is forwarded, once everything of it is known.

import type { Visit } from "../caller/visit.ts";
import type { Api } from "../api/dialects.ts";
import type { ForwardRequest, RouteTold, Terms } from "../forward/request.ts";
import type { BodyHold, ClientRequest } from "../http/client.ts";
import { header } from "../http/message.ts";
import type { RequestTrace } from "../observe/trace.ts";
import type { Policed } from "../policy/policy.ts";
import type { PolicyTrail } from "../policy/trail.ts";
import type { NamedFields } from "./request_fields.ts";

/** A request that has come in, and what goes with it on its way. */
export interface Incoming {
  readonly id: string;
  readonly client: ClientRequest;
  /** Where its body is counted. */
  readonly held: BodyHold;
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

/**
 * Of a class, since it lives as long as the request does (docs/decisions/memory.md). `terms` are those of its caller;
 * null where anyone may ask.
 */
export class KnownRequest implements ForwardRequest {
  readonly id: ForwardRequest["id"];
  readonly client: ForwardRequest["client"];
  readonly target: ForwardRequest["target"];
  readonly path: ForwardRequest["path"];
  readonly body: ForwardRequest["body"];
  readonly api: ForwardRequest["api"];
  readonly model: ForwardRequest["model"];
  readonly modelSpans: ForwardRequest["modelSpans"];
  readonly jsonBody: ForwardRequest["jsonBody"];
  readonly stream: ForwardRequest["stream"];
  readonly streamOptions: ForwardRequest["streamOptions"];
  readonly choices: ForwardRequest["choices"];
  readonly prompt: ForwardRequest["prompt"];
  readonly wantsIds: ForwardRequest["wantsIds"];
  readonly echoes: ForwardRequest["echoes"];
  readonly isHeldBack: ForwardRequest["isHeldBack"];
  readonly isForgotten: ForwardRequest["isForgotten"];
  readonly isInference: ForwardRequest["isInference"];
  readonly priority: ForwardRequest["priority"];
  readonly stickyTo: ForwardRequest["stickyTo"];
  readonly session: ForwardRequest["session"];
  readonly routeTold: ForwardRequest["routeTold"];
  readonly policed: ForwardRequest["policed"];
  readonly trace: ForwardRequest["trace"];

  constructor(
    { id, client, visit, trace }: Incoming,
    found: Findings,
    readonly terms: Terms | null,
  ) {
    const { fields } = found;
    const wish = wishedPriority(client);
    this.id = id;
    this.client = client;
    this.target = client.target;
    this.path = found.path;
    this.body = found.body;
    this.api = found.api;
    this.model = fields.model;
    this.modelSpans = fields.modelSpans;
    this.jsonBody = fields.jsonBody;
    this.stream = fields.stream;
    this.streamOptions = fields.streamOptions;
    this.choices = fields.choices;
    this.prompt = fields.prompt;
    this.wantsIds = fields.wantsIds;
    this.echoes = fields.echoes;
    this.isHeldBack = fields.isHeldBack;
    this.isForgotten = fields.isForgotten;
    this.isInference = found.isInference;
    this.priority = visit === null ? wish ?? 0 : visit.caller.priority(wish);
    this.stickyTo = found.stickyTo;
    this.session = found.session;
    this.routeTold = found.routeTold;
    this.policed = found.policed;
    this.trace = trace;
  }
}

/** `x-priority`: a whole number, higher first; anything else counts as 0. null where there is none. */
function wishedPriority(request: ClientRequest): number | null {
  const given = header(request.headers, "x-priority");
  if (given === undefined) return null;
  const value = Number(given);
  return Number.isInteger(value) && Math.abs(value) <= 1000 ? value : 0;
}
