// A request for an instance: what it asks for, whether its caller may, what the policies make of it. What it may
// take of its caller's limits is asked last.

import type { Caller } from "../caller/caller.ts";
import type { Admitted, Visit } from "../caller/visit.ts";
import type { Config } from "../config/config.ts";
import { isInference, lends } from "../forward/lending.ts";
import type { ForwardRequest } from "../forward/request.ts";
import { type ClientRequest, RequestError } from "../http/client.ts";
import type { PoliciesInForce } from "../policy/in_force.ts";
import type { PolicyTrail } from "../policy/trail.ts";
import type { Fleet } from "../pool/fleet.ts";
import { seesAddresses } from "./admin.ts";
import { withSalt } from "./cache_salt.ts";
import { purposeOf, termsOf } from "./caller_terms.ts";
import { noneFoundYet, noSuchModel } from "./not_found.ts";
import { bodyCoding, isPlainBody, plainBody, readPlainBody } from "./plain_body.ts";
import { inForm, policed, refuseIds, refuseUnread, subjectOf, withModel } from "./police.ts";
import { forwardRequest, type NamedFields, NO_FIELDS, readFields } from "./read.ts";
import type { Route } from "./routes.ts";
import { sessionOf } from "./session.ts";
import type { StoredResponses } from "./questions/stored_responses.ts";

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

export class Intake {
  constructor(private readonly parts: IntakeParts) {}

  async proxied(
    id: string,
    client: ClientRequest,
    { api, path }: Route & { kind: "proxy" },
    visit: Visit | null,
    trail: PolicyTrail | null,
  ): Promise<ForwardRequest> {
    const config = this.parts.config();
    this.#refuseWhileDraining();
    if (!METHODS.has(client.method)) throw new RequestError(405, "Method Not Allowed");
    const { session } = config.routing;
    const { maxBodyBytes } = config.http;
    const coding = bodyCoding(client.headers);
    const coded = await client.readBody(maxBodyBytes);
    // The usual body is plain and small, and read without waiting for anything.
    let sent = isPlainBody(coded, coding) ? coded : await plainBody(coded, coding, maxBodyBytes);
    const found = readFields(client, sent, api, session);
    let fields = found instanceof Promise ? await found : found;
    const caller = visit === null ? null : visit.caller;
    let model = fields.model ?? this.#onlyModel(caller);
    const { policies } = this.parts;
    const renamed = policies.isEmpty ? null : policies.renamed(subjectOf(caller, model, path));
    if (renamed !== null) {
      sent = withModel(sent, fields, model = renamed);
      fields = await readFields(client, sent, api, session);
    }
    const pool = this.parts.fleet.pool(model);
    // A model that the caller may not use is as one that nobody has: the words tell nothing.
    const mayUse = caller === null || caller.mayUse(model);
    if (pool === undefined || !mayUse) {
      if (mayUse) this.parts.noSuchModel();
      const notYet = mayUse ? noneFoundYet(model, config) : null;
      throw notYet ?? noSuchModel(model, this.#modelsOf(caller));
    }
    const lent = isInference(client.method, path);
    if (!lent && !pool.instances.some((instance) => lends(instance.config, path))) {
      throw new RequestError(
        404,
        `${client.method} ${path} is not passed to instances with an own api_key (passthrough)`,
      );
    }
    // What may be said: the request is known as a whole, and nothing has been chosen or sent.
    const subject = trail === null ? null : subjectOf(caller, model, path);
    const chosen = subject === null ? null : policies.planFor(subject);
    const plan = chosen instanceof Promise ? await chosen : chosen;
    const ruled = plan === null ? null : await policed(policies, plan, subject!, sent, api, trail!);
    if (plan !== null) refuseIds(plan, fields.wantsIds);
    const read = ruled === null ? sent : ruled.body;
    if (read !== sent) fields = await readFields(client, read, api, session);
    const { previousResponseId } = fields;
    if (previousResponseId !== null) await this.#refuseForeign(previousResponseId, visit);
    const keeper = previousResponseId === null
      ? null
      : await this.parts.stored.keeperOf(previousResponseId, pool.instances, client.headers);
    const answered = client.method === "POST" ? api : null;
    const salt = answered === null ? null : caller?.group?.cacheSalt ?? null;
    const body = salt === null ? read : withSalt(read, salt);
    const prompt = salt === null ? fields.prompt : { ...fields.prompt, salt };
    const isSame = fields.model === model && fields.prompt === prompt;
    const given = isSame ? fields as NamedFields : { ...fields, model, prompt };
    const request = forwardRequest(id, client, body, answered, given, keeper?.name ?? null, caller);
    request.routeTold = this.#routeTold(client);
    request.policed = ruled === null ? null : inForm(ruled, fields.form ?? "free");
    request.isInference = lent;
    if (session !== null) {
      const owner = caller === null ? 0 : caller.scopes[0].hash;
      request.session = sessionOf(session, client.headers, fields.session, owner, model);
    }
    const admission = visit === null ? null : admit(visit, request);
    if (admission !== null) await admission;
    return request;
  }

  /** An answer that was made for another caller is not there for this one. */
  async #refuseForeign(responseId: string, visit: Visit | null): Promise<void> {
    if (visit === null) return;
    if (await this.parts.stored.isOf(visit.caller.scopes[0].hash, responseId)) return;
    throw new RequestError(404, `Response with id '${responseId}' not found.`, "response_id");
  }

  /** Only who may see the dashboard is told of all that came into question. */
  #routeTold(client: ClientRequest): ForwardRequest["routeTold"] {
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
  #onlyModel(caller: Caller | null): string {
    const models = this.#modelsOf(caller);
    if (models.length === 1) return models[0];
    throw new RequestError(
      400,
      `The request must name a \`model\`, one of: ${models.join(", ")}`,
    );
  }

  async stored(
    id: string,
    client: ClientRequest,
    responseId: string,
    visit: Visit | null,
    trail: PolicyTrail | null,
  ) {
    this.#refuseWhileDraining();
    await this.#refuseForeign(responseId, visit);
    const body = await readPlainBody(client, this.parts.config().http.maxBodyBytes);
    const { fleet, stored } = this.parts;
    const instance = await stored.keeperOf(responseId, fleet.instances, client.headers);
    if (instance === null) {
      throw new RequestError(404, `Response with id '${responseId}' not found.`, "response_id");
    }
    const fields = { ...NO_FIELDS, model: instance.config.models[0] };
    // An answer that was made in the background is read, and recorded, when it is fetched whole.
    const api = body.length === 0 && fetchesAnswer(client, responseId) ? "responses" : null;
    const caller = visit === null ? null : visit.caller;
    const request = forwardRequest(id, client, body, api, fields, instance.name, caller);
    const subject = {
      ...subjectOf(caller, fields.model, "/v1/responses"),
      orModels: instance.config.models,
    };
    const chosen = trail === null ? null : this.parts.policies.planFor(subject);
    const plan = chosen instanceof Promise ? await chosen : chosen;
    if (plan !== null && (plan.answer !== null || plan.guards !== null)) {
      refuseUnread(client, api);
      request.policed = { plan, trail: trail!, body, restore: null };
    }
    const admission = visit === null ? null : admit(visit, request);
    if (admission !== null) await admission;
    return request;
  }
}

/** Whether it asks for the response as one body: not for its parts, nor for its events once more. */
function fetchesAnswer({ method, target }: ClientRequest, responseId: string): boolean {
  const [path, query = ""] = target.split("?", 2);
  return method === "GET" && path === `/v1/responses/${responseId}` &&
    !new URLSearchParams(query).has("stream");
}

/** Takes what the request needs from its caller's limits; null where that is done at once. Throws Refusal. */
function admit(visit: Visit, request: ForwardRequest): Promise<void> | null {
  const take = (admitted: Admitted) => {
    request.terms = termsOf(visit, request, admitted === "waits");
  };
  const admitted = visit.admit(purposeOf(request));
  if (admitted instanceof Promise) return admitted.then(take);
  take(admitted);
  return null;
}
