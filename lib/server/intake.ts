// A request for an instance: what it asks for, whether its caller may, what the policies make of it. What it may
// take of its caller's limits is asked last.

import type { Api } from "../api/dialects.ts";
import type { Caller } from "../caller/caller.ts";
import type { Admitted, Visit } from "../caller/visit.ts";
import type { Config } from "../config/config.ts";
import { gatewaysBefore, MOST_GATEWAYS } from "../forward/header_rules.ts";
import { isInference, lends } from "../forward/lending.ts";
import type { ForwardRequest, RouteTold } from "../forward/request.ts";
import { type ClientRequest, RequestError, WrongMethod } from "../http/client.ts";
import { pathOf } from "../http/message.ts";
import type { PoliciesInForce } from "../policy/in_force.ts";
import type { Plan, Policed, Subject } from "../policy/policy.ts";
import type { Soon } from "../policy/rule_book.ts";
import type { PolicyTrail } from "../policy/trail.ts";
import type { Fleet } from "../pool/fleet.ts";
import type { Instance } from "../pool/instance.ts";
import type { Pool } from "../pool/pool.ts";
import { seesAddresses } from "./admin.ts";
import { withSalt } from "./cache_salt.ts";
import { CallerTerms, purposeOf } from "./caller_terms.ts";
import { type Findings, type Incoming, KnownRequest } from "./forward_request.ts";
import { noneFoundYet, noSuchModel } from "./not_found.ts";
import { bodyCoding, isPlainBody, plainBody, readPlainBody } from "./plain_body.ts";
import { inForm, policed, refuseIds, refuseUnread, subjectOf } from "./police.ts";
import type { StoredResponses } from "./questions/stored_responses.ts";
import { readFields } from "./read.ts";
import { type NamedFields, NO_FIELDS, type RequestFields, withModel } from "./request_fields.ts";
import type { PathRoute } from "./routes.ts";
import { sessionOf } from "./session.ts";

export interface IntakeParts {
  readonly fleet: Fleet;
  readonly stored: StoredResponses;
  /** Of the configuration in force. */
  readonly policies: PoliciesInForce;
  config(): Config;
  draining(): boolean;
  /** Somebody asks for a model that no instance is known for. */
  noSuchModel(): void;
}

/** What is passed on; TRACE and what nobody has heard of stop here. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

type Proxied = PathRoute & { kind: "proxy" };

/** A request as policies are shown it. */
interface Read {
  readonly subject: Subject;
  readonly trail: PolicyTrail;
  readonly api: Api | null;
  readonly body: Uint8Array;
  readonly fields: RequestFields;
}

export class Intake {
  constructor(private readonly parts: IntakeParts) {}

  /** What goes to an instance that has its model. */
  async proxied(coming: Incoming, { api, path }: Proxied): Promise<ForwardRequest> {
    const { client, visit, trail, held } = coming;
    const config = this.parts.config();
    this.#refuseWhileDraining();
    refuseLoop(client);
    if (!METHODS.has(client.method)) throw new WrongMethod([...METHODS].join(", "));
    const { session } = config.routing;
    const { maxBodyBytes } = config.http;
    const coding = bodyCoding(client.headers);
    const coded = await client.readBody(maxBodyBytes, held);
    // The usual body is plain and small, and read without waiting for anything.
    let body = isPlainBody(coded, coding)
      ? coded
      : await plainBody(coded, coding, maxBodyBytes, held);
    const found = readFields(client, body, api, session);
    let fields = found instanceof Promise ? await found : found;
    const caller = visit === null ? null : visit.caller;
    const named = fields.model ?? this.#onlyModel(caller, fields);
    const model = this.#modelFor(caller, named, path);
    // What the instance takes a nameless request for may be another one that it has.
    const isMeant = fields.model === null && this.parts.fleet.models.length > 1;
    if (model !== named || isMeant) ({ body, fields } = withModel({ body, fields }, model));
    const pool = this.#poolOf(model, caller);
    const lent = isInference(client.method, path);
    if (!lent) refuseUnlent(client, path, pool);
    // What may be said: the request is known as a whole, and nothing has been chosen or sent.
    const subject = trail === null ? null : subjectOf(caller, model, path);
    const plan = subject === null ? null : this.parts.policies.planFor(subject);
    const ruled = plan === null
      ? null
      : await this.#ruled(plan, { subject: subject!, trail: trail!, api, body, fields });
    if (ruled !== null && ruled.body !== body) {
      body = ruled.body;
      fields = await readFields(client, body, api, session);
    }
    const { previousResponseId } = fields;
    const keeper = previousResponseId === null
      ? null
      : await this.#keeperOf(previousResponseId, coming, pool.instances);
    const answered = client.method === "POST" ? api : null;
    const isSalted = answered !== null && caller !== null && fields.jsonBody;
    const salt = isSalted ? caller.group?.cacheSalt ?? null : null;
    return this.#admitted(coming, {
      path,
      api: answered,
      body: salt === null ? body : withSalt(body, salt),
      fields: asSent(fields, model, salt),
      isInference: lent,
      stickyTo: keeper === null ? null : keeper.name,
      session: session === null
        ? 0
        : sessionOf(session, client.headers, fields.session, ownerOf(caller), model),
      routeTold: this.#routeTold(client),
      policed: ruled === null ? null : inForm(ruled, fields.form),
    });
  }

  /** What goes to the instance that keeps a response. */
  async stored(coming: Incoming, responseId: string): Promise<ForwardRequest> {
    const { client, visit, trail, held } = coming;
    this.#refuseWhileDraining();
    refuseLoop(client);
    await this.#refuseForeign(responseId, visit);
    const body = await readPlainBody(client, this.parts.config().http.maxBodyBytes, held);
    const { fleet, stored, policies } = this.parts;
    const instance = await stored.keeperOf(responseId, fleet.instances, client.headers);
    if (instance === null) throw noSuchResponse(responseId);
    const { models } = instance.config;
    // An answer that was made in the background is read, and recorded, when it is fetched whole.
    const api = body.length === 0 && fetchesAnswer(client, responseId) ? "responses" : null;
    const caller = visit === null ? null : visit.caller;
    const subject = { ...subjectOf(caller, models[0], "/v1/responses"), orModels: models };
    const plan = trail === null ? null : await policies.planFor(subject);
    const looks = plan !== null && (plan.answer !== null || plan.guards !== null);
    if (looks) refuseUnread(client, api);
    return this.#admitted(coming, {
      path: pathOf(client.target),
      api,
      body,
      fields: { ...NO_FIELDS, model: models[0] },
      isInference: true,
      stickyTo: instance.name,
      session: 0,
      routeTold: "off",
      policed: looks ? { plan, trail: trail!, body, restore: null } : null,
    });
  }

  /** Takes what the request needs from its caller's limits, at once where it can be. Throws Refusal. */
  #admitted(coming: Incoming, found: Findings): ForwardRequest | Promise<ForwardRequest> {
    const { client, visit } = coming;
    if (visit === null) return new KnownRequest(coming, found, null);
    const admitted = visit.admit(purposeOf(client, found));
    return admitted instanceof Promise
      ? requestOnce(admitted, coming, found, visit)
      : requestFor(coming, found, visit, admitted);
  }

  /** What the model that the request names is called here. */
  #modelFor(caller: Caller | null, named: string, path: string): string {
    const { policies } = this.parts;
    if (policies.isEmpty) return named;
    return policies.renamed(subjectOf(caller, named, path)) ?? named;
  }

  /** A model that the caller may not use is as one that nobody has: the words tell nothing. */
  #poolOf(model: string, caller: Caller | null): Pool {
    const pool = this.parts.fleet.pool(model);
    const mayUse = caller === null || caller.mayUse(model);
    if (pool !== undefined && mayUse) return pool;
    if (mayUse) this.parts.noSuchModel();
    const notYet = mayUse ? noneFoundYet(model, this.parts.config()) : null;
    throw notYet ?? noSuchModel(model, this.#modelsOf(caller));
  }

  /** What the policies make of the request; null where none is in force for it. Throws RequestError. */
  async #ruled(planned: Soon<Plan | null>, read: Read): Promise<Policed | null> {
    const plan = await planned;
    if (plan === null) return null;
    const { subject, body, api, trail, fields } = read;
    const ruled = await policed(this.parts.policies, plan, subject, body, api, trail);
    refuseIds(plan, fields.wantsIds);
    return ruled;
  }

  /** The instance that keeps what the request goes on from; null where none is known to. */
  async #keeperOf(
    responseId: string,
    { client, visit }: Incoming,
    among: readonly Instance[],
  ): Promise<Instance | null> {
    await this.#refuseForeign(responseId, visit);
    return await this.parts.stored.keeperOf(responseId, among, client.headers);
  }

  /** An answer that was made for another caller is not there for this one. */
  async #refuseForeign(responseId: string, visit: Visit | null): Promise<void> {
    if (visit === null) return;
    if (await this.parts.stored.isOf(visit.caller.scopes[0].hash, responseId)) return;
    throw noSuchResponse(responseId);
  }

  /** Only who may see the dashboard is told of all that came into question. */
  #routeTold(client: ClientRequest): RouteTold {
    const { routing, admin } = this.parts.config();
    if (routing.header !== "full") return routing.header;
    return seesAddresses(client, admin) ? "full" : "short";
  }

  #refuseWhileDraining(): void {
    if (this.parts.draining()) throw new RequestError(503, "The gateway is shutting down");
  }

  /** The models that the caller may know of. */
  #modelsOf(caller: Caller | null): readonly string[] {
    const all = this.parts.fleet.models;
    return caller === null ? all : all.filter((model) => caller.mayUse(model));
  }

  /** A request that names no model can only mean the one there is. */
  #onlyModel(caller: Caller | null, { jsonBody }: RequestFields): string {
    const models = this.#modelsOf(caller);
    // Into a form, nobody can write it here.
    const isClear = jsonBody || this.parts.fleet.models.length === 1;
    if (models.length === 1 && isClear) return models[0];
    throw new RequestError(
      400,
      `The request must name a \`model\`, one of: ${models.join(", ")}`,
    );
  }
}

/** Whether it asks for the response as one body: not for its parts, nor for its events once more. */
function fetchesAnswer({ method, target }: ClientRequest, responseId: string): boolean {
  const [path, query = ""] = target.split("?", 2);
  return method === "GET" && decodeURIComponent(path) === `/v1/responses/${responseId}` &&
    !new URLSearchParams(query).has("stream");
}

/** Instances that are gateways may lead back here, where nothing but a limit would end it. */
function refuseLoop({ headers }: ClientRequest): void {
  if (gatewaysBefore(headers) < MOST_GATEWAYS) return;
  throw new RequestError(
    508,
    `The request has come by way of ${MOST_GATEWAYS} gateways: one of them is its own instance`,
  );
}

/** Throws RequestError where no instance of `pool` lets its key be used for it. */
function refuseUnlent({ method }: ClientRequest, path: string, pool: Pool): void {
  if (pool.instances.some((instance) => lends(instance.config, path))) return;
  throw new RequestError(
    404,
    `${method} ${path} is not passed to instances with an own api_key (passthrough)`,
  );
}

/** The fields of the body as it is sent, under the model's name here and with the salt that it has got. */
function asSent(fields: RequestFields, model: string, salt: string | null): NamedFields {
  if (salt !== null) return { ...fields, model, prompt: { ...fields.prompt, salt } };
  return fields.model === model ? fields as NamedFields : { ...fields, model };
}

function requestFor(
  coming: Incoming,
  found: Findings,
  visit: Visit,
  admitted: Admitted,
): ForwardRequest {
  const terms = new CallerTerms(visit, coming.client, admitted === "waits");
  return new KnownRequest(coming, found, terms);
}

async function requestOnce(
  admitted: Promise<Admitted>,
  coming: Incoming,
  found: Findings,
  visit: Visit,
): Promise<ForwardRequest> {
  return requestFor(coming, found, visit, await admitted);
}

/** Whose sessions they are; 0 where nobody is known. */
function ownerOf(caller: Caller | null): number {
  return caller === null ? 0 : caller.scopes[0].hash;
}

function noSuchResponse(id: string): RequestError {
  return new RequestError(404, `Response with id '${id}' not found.`, "response_id");
}
