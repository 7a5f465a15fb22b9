// One request's way through the gateway: route, read, (who is calling, what may be said), forward,
// then account for it. Each step is a file of its own; this one is only their order.

import type { Config } from "../config/config.ts";
import type { Forwarder } from "../forward/forward.ts";
import { Account } from "../forward/account.ts";
import type { ForwardRequest } from "../forward/request.ts";
import type { AdminHandler } from "../http/admin.ts";
import { isInference, lends } from "../forward/lending.ts";
import { type ClientReply, type ClientRequest, RequestError } from "../http/client.ts";
import { CrossOrigin } from "../http/cors.ts";
import type { HeaderList } from "../http/message.ts";
import type { Fleet } from "../pool/fleet.ts";
import type { Report } from "../observe/report.ts";
import type { RequestTrace, Tracing } from "../observe/trace.ts";
import type { ModelCatalog } from "../pool/discovery/models.ts";
import { Content, isRecorded } from "../record/capture.ts";
import { type Api, errorBodyAt } from "../api/dialects.ts";
import { answerAdmin, seesAddresses } from "./admin.ts";
import { ApiReply } from "./api_reply.ts";
import { healthReport, withoutAddresses } from "./health.ts";
import { readPlainBody } from "./plain_body.ts";
import { UNKNOWN_PROMPT } from "../pool/prefix/chain.ts";
import { forwardRequest, quotedName, readFields } from "./read.ts";
import { Arrival, reportOf } from "./reporting.ts";
import { requestIds } from "./request_id.ts";
import { type Route, routeLabel, routeOf } from "./routes.ts";
import type { StoredResponses } from "./stored_responses.ts";

export interface GatewayParts {
  fleet: Fleet;
  forwarder: Forwarder;
  catalog: ModelCatalog;
  /** The snapshot in force; a request keeps the one that it began with. */
  config(): Config;
  draining(): boolean;
  /** A request is over; `content` is null where nothing of it is to be recorded. */
  onFinished(report: Report, content: Content | null): void;
  stored: StoredResponses;
  admin: AdminHandler;
  /** null where nothing is traced. */
  tracing: Tracing | null;
  /** Seconds since the process started. */
  uptimeS(): number;
}

const encoder = new TextEncoder();
const ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/** What is passed on; TRACE and what nobody has heard of stop here. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

export class Gateway {
  readonly #parts: GatewayParts;
  readonly #newId = requestIds();
  /** Requests under way, dashboards that watch left out. */
  #running = 0;
  #whenIdle: (() => void) | null = null;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
  }

  /** The listener's handler. */
  readonly handle = async (client: ClientRequest, given: ClientReply): Promise<void> => {
    const id = this.#newId(client.headers);
    const arrival = new Arrival(id, client, performance.now(), Date.now());
    let request: ForwardRequest | null = null;
    let account: Account | null = null;
    const route = routeOf(client.target, client.method);
    const crossOrigin = CrossOrigin.of(client.headers, this.#parts.config().cors);
    const reply = route.kind === "admin" ? given : new ApiReply(given, crossOrigin);
    const counts = route.kind !== "admin";
    if (counts) this.#running++;
    const trace = this.#begunTrace(route, id, client);
    try {
      const read = route.kind !== "admin" && await isForBrowser(id, client, given, crossOrigin)
        ? null
        : await this.#read(route, id, client, reply);
      if (read === null) return;
      request = read;
      request.trace = trace;
      account = await this.#parts.forwarder.forward(request, reply, this.#parts.config());
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      account = Account.rejected(error.status, error.message);
      await sendError(reply, id, client.target, error);
    } finally {
      if (account !== null) {
        const report = reportOf(arrival, request, account, performance.now());
        trace?.end(report);
        this.#parts.onFinished(report, this.#contentOf(report, request, account));
      } else trace?.fail();
      if (counts && --this.#running === 0) this.#whenIdle?.();
    }
  };

  #contentOf(report: Report, request: ForwardRequest | null, account: Account): Content | null {
    if (request === null || !this.#parts.config().record.enabled || !isRecorded(report)) {
      return null;
    }
    return new Content(request.body, account.response);
  }

  /** null where nothing is traced, and for what the gateway answers by itself. */
  #begunTrace(route: Route, id: string, client: ClientRequest): RequestTrace | null {
    const { tracing } = this.#parts;
    if (tracing === null || (route.kind !== "proxy" && route.kind !== "stored_response")) {
      return null;
    }
    const { method, headers, remoteAddress, target } = client;
    const label = routeLabel(target.split("?", 1)[0]);
    return tracing.request({ id, method, route: label, headers, remoteAddress });
  }

  get isIdle(): boolean {
    return this.#running === 0;
  }

  /** Resolves once no request is under way. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  /** Reads what is to be forwarded; null when the gateway has answered by itself. */
  async #read(
    route: Route,
    id: string,
    client: ClientRequest,
    reply: ClientReply,
  ): Promise<ForwardRequest | null> {
    switch (route.kind) {
      case "bad_path":
        throw new RequestError(400, `Malformed path: ${route.message}`);
      case "not_found":
        throw new RequestError(404, "Not Found");
      case "health":
        await this.#health(id, client, reply);
        return null;
      case "admin":
        await answerAdmin(id, client, reply, this.#parts.config().admin, this.#parts.admin);
        return null;
      case "models":
        await this.#models(id, client, reply, route.id);
        return null;
      case "stored_response":
        return await this.#readStored(id, client, route.id);
      case "proxy":
        return await this.#readProxied(id, client, route.api);
    }
  }

  async #readProxied(
    id: string,
    client: ClientRequest,
    api: Api | null,
  ): Promise<ForwardRequest> {
    const config = this.#parts.config();
    this.#refuseWhileDraining();
    if (!METHODS.has(client.method)) throw new RequestError(405, "Method Not Allowed");
    const body = await readPlainBody(client, config.http.maxBodyBytes);
    const fields = await readFields(client, body, api);
    const model = fields.model ?? this.#onlyModel();
    const pool = this.#parts.fleet.pool(model);
    if (pool === undefined) {
      throw new RequestError(404, `The model \`${quotedName(model)}\` does not exist.`, "model");
    }
    const path = client.target.split("?", 1)[0];
    const lent = isInference(client.method, path);
    if (!lent && !pool.instances.some((instance) => lends(instance.config, path))) {
      throw new RequestError(
        404,
        `${client.method} ${path} is not passed to instances with an own api_key (passthrough)`,
      );
    }
    // Who is calling (keys, limits) and what may be said (policies) belong here: the request is known
    // as a whole, and nothing has been chosen or sent.
    const { previousResponseId } = fields;
    const keeper = previousResponseId === null
      ? null
      : await this.#parts.stored.keeperOf(previousResponseId, pool.instances, client.headers);
    const given = { ...fields, model };
    const answered = client.method === "POST" ? api : null;
    const request = forwardRequest(id, client, body, answered, given, keeper?.name ?? null);
    request.isInference = lent;
    return request;
  }

  #refuseWhileDraining(): void {
    if (this.#parts.draining()) throw new RequestError(503, "The gateway is shutting down");
  }

  /** A request that names no model can only mean the one there is. */
  #onlyModel(): string {
    const { models } = this.#parts.fleet;
    if (models.length === 1) return models[0];
    throw new RequestError(
      400,
      `The request must name a \`model\`, one of: ${models.join(", ")}`,
    );
  }

  async #readStored(id: string, client: ClientRequest, responseId: string) {
    this.#refuseWhileDraining();
    const body = await readPlainBody(client, this.#parts.config().http.maxBodyBytes);
    const { fleet, stored } = this.#parts;
    const instance = await stored.keeperOf(responseId, fleet.instances, client.headers);
    if (instance === null) {
      throw new RequestError(404, `Response with id '${responseId}' not found.`, "response_id");
    }
    const fields = {
      model: instance.config.models[0],
      modelSpans: [],
      jsonBody: true,
      stream: false,
      choices: 1,
      previousResponseId: null,
      wantsIds: false,
      isHeldBack: false,
      prompt: UNKNOWN_PROMPT,
    };
    // An answer that was made in the background is read, and recorded, when it is fetched whole.
    const api = body.length === 0 && fetchesAnswer(client, responseId) ? "responses" : null;
    return forwardRequest(id, client, body, api, fields, instance.name);
  }

  async #health(id: string, client: ClientRequest, reply: ClientReply): Promise<void> {
    onlyGet(client);
    const { fleet, config, draining } = this.#parts;
    const uptimeS = this.#parts.uptimeS();
    const snapshot = config();
    const { httpStatus, report } = healthReport(fleet, snapshot, uptimeS, draining());
    const shown = seesAddresses(client, snapshot.admin) ? report : withoutAddresses(report);
    await sendJson(reply, id, httpStatus, shown);
  }

  async #models(
    id: string,
    client: ClientRequest,
    reply: ClientReply,
    model: string | null,
  ): Promise<void> {
    onlyGet(client);
    const list = await this.#parts.catalog.list(this.#parts.config());
    if (model === null) return await sendJson(reply, id, 200, list);
    const entry = list.data.find((other) => other.id === model);
    if (entry === undefined) {
      throw new RequestError(404, `The model \`${model}\` does not exist.`, "model");
    }
    await sendJson(reply, id, 200, entry);
  }
}

/** Answers what only browsers ask, and refuses pages that may not call; true when it has answered. */
async function isForBrowser(
  id: string,
  client: ClientRequest,
  reply: ClientReply,
  crossOrigin: CrossOrigin | null,
): Promise<boolean> {
  if (crossOrigin?.allowed === null) {
    throw new RequestError(403, "Pages of this origin may not call the API (cors.origins)");
  }
  if (client.method !== "OPTIONS") return false;
  const { headers } = client;
  const own = [["allow", ALLOWED], ["x-request-id", id]] as const;
  const told = crossOrigin?.fields(own) ?? [];
  const more = CrossOrigin.isPreflight(client.method, headers)
    ? CrossOrigin.preflight(headers)
    : [];
  await reply.send(204, [...own, ...told, ...more], new Uint8Array(0));
  return true;
}

/** Whether it asks for the response as one body: not for its parts, nor for its events once more. */
function fetchesAnswer({ method, target }: ClientRequest, responseId: string): boolean {
  const [path, query = ""] = target.split("?", 2);
  return method === "GET" && path === `/v1/responses/${responseId}` &&
    !new URLSearchParams(query).has("stream");
}

function onlyGet(client: ClientRequest): void {
  if (client.method !== "GET" && client.method !== "HEAD") {
    throw new RequestError(405, "Method Not Allowed");
  }
}

function ownHeaders(id: string): HeaderList {
  return [["content-type", "application/json"], ["x-request-id", id]];
}

async function sendJson(reply: ClientReply, id: string, status: number, value: unknown) {
  await reply.send(status, ownHeaders(id), encoder.encode(JSON.stringify(value)));
}

async function sendError(
  reply: ClientReply,
  id: string,
  target: string,
  { status, message, param }: RequestError,
) {
  if (reply.begun) return reply.cut();
  await reply.send(status, ownHeaders(id), errorBodyAt(target, status, message, param));
}
