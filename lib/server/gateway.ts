// One request's way through the gateway: route, read, (who is calling, what may be said), forward,
// then account for it. Each step is a file of its own; this one is only their order.

import { Account } from "../forward/account.ts";
import type { Forwarder } from "../forward/forward.ts";
import type { ForwardRequest } from "../forward/request.ts";
import { streamErrorEvent } from "../forward/stream_error.ts";
import { Door } from "../caller/address/door.ts";
import type { Reception } from "../caller/reception.ts";
import { Refusal } from "../caller/refusal.ts";
import { NOTHING_SPENT, type Visit } from "../caller/visit.ts";
import type { Config } from "../config/config.ts";
import { looksForSomething } from "../config/policies.ts";
import { type ClientReply, type ClientRequest, RequestError } from "../http/client.ts";
import { CrossOrigin } from "../http/cors.ts";
import { pathOf } from "../http/message.ts";
import type { Report } from "../observe/report.ts";
import type { RequestTrace, Tracing } from "../observe/trace.ts";
import { PolicyTrail } from "../policy/trail.ts";
import { Content, isRecorded, type Originals } from "../record/capture.ts";
import { EventStore } from "../sse/event_store.ts";
import { ApiReply } from "./api_reply.ts";
import type { BodyRoom } from "./body_room.ts";
import { spentOf } from "./caller_terms.ts";
import type { Incoming } from "./forward_request.ts";
import { Intake, type IntakeParts } from "./intake.ts";
import { noSuchPath } from "./not_found.ts";
import { OwnAnswers, type OwnAnswersParts, ownHeaders } from "./own_answers.ts";
import { refusalReply } from "./refusal_reply.ts";
import { Arrival, reportOf } from "./reporting.ts";
import { requestIds } from "./request_id.ts";
import { asksForKey, type PathRoute, routeLabel, routeOf } from "./routes.ts";

export interface GatewayParts extends IntakeParts, OwnAnswersParts {
  readonly forwarder: Forwarder;
  /** The snapshot in force; a request keeps the one that it began with. */
  config(): Config;
  /** A request is over; `content` is null where nothing of it is to be recorded. */
  onFinished(report: Report, content: Content | null): void;
  readonly reception: Reception;
  /** Where bodies of requests are counted. */
  readonly bodies: BodyRoom;
  /** null where nothing is traced. */
  readonly tracing: Tracing | null;
}

const NOTHING = new Uint8Array(0);
const ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

export class Gateway {
  readonly #parts: GatewayParts;
  readonly #intake: Intake;
  readonly #own: OwnAnswers;
  readonly #newId = requestIds();
  /** Requests under way, dashboards that watch left out. */
  #running = 0;
  #whenIdle: (() => void)[] = [];
  /** Of the configuration in force. */
  #door: Door;
  #addresses: Config["addresses"];

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#intake = new Intake(parts);
    this.#own = new OwnAnswers(parts);
    this.#addresses = parts.config().addresses;
    this.#door = new Door(this.#addresses);
  }

  /** The listener's handler. */
  readonly handle = async (sender: ClientRequest, given: ClientReply): Promise<void> => {
    const door = this.#doorNow();
    let client = door.faceOf(sender);
    const id = this.#newId(client.headers);
    const arrival = new Arrival(id, client, performance.now(), Date.now());
    let request: ForwardRequest | null = null;
    let account: Account | null = null;
    let visit: Visit | null = null;
    const { reception } = this.#parts;
    const { access } = reception;
    const route = routeOf(client.target, client.method, access !== null);
    const crossOrigin = CrossOrigin.of(client.headers, this.#parts.config().cors);
    const trail = this.#parts.policies.isEmpty ? null : this.#newTrail();
    const apiReply = new ApiReply(given, crossOrigin);
    const reply = route.kind === "admin" ? given : apiReply;
    if (trail !== null) apiReply.policies = () => this.#parts.policies.told(trail);
    const counts = route.kind !== "admin";
    const trace = this.#begunTrace(route, id, client);
    const held = this.#parts.bodies.account();
    if (counts) this.#running++;
    try {
      // Orchestrators ask for health from addresses that nobody lists, and are told no secrets.
      if (route.kind !== "health") door.admit(client);
      if (route.kind !== "admin") {
        refuseForeignPage(crossOrigin);
        if (client.method === "OPTIONS") return await tellOptions(id, client, given, crossOrigin);
      }
      if (access !== null && asksForKey(route)) {
        const received = reception.receive(access, client, this.#parts.config().queue);
        visit = received instanceof Promise ? await received : received;
        apiReply.visit = visit;
        client = visit.client;
      }
      // The usual request passes through as few promises as can be.
      const coming = { id, client, held, visit, trail, trace };
      request = route.kind === "proxy"
        ? await this.#intake.proxied(coming, route)
        : await this.#read(route, coming, reply);
      if (request === null) return;
      account = await this.#parts.forwarder.forward(request, reply, this.#parts.config());
      const isCut = visit !== null && visit.isCut && account.outcome === "aborted";
      if (isCut && !sender.gone) await endCut(request, reply, account);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      const reason = error instanceof Refusal ? error.facts.reason : "";
      account = Account.rejected(error.status, error.message, reason);
      await sendError(reply, id, client.target, error);
    } finally {
      try {
        if (visit !== null) settle(visit, request, account);
        if (account !== null) {
          // The client has its answer; who only watched it may still be at it.
          if (trail !== null && trail.pending.length > 0) await Promise.all(trail.pending);
          const report = reportOf(arrival, request, account, visit, performance.now(), trail);
          trace?.end(report);
          const isKept = visit === null || visit.caller.key.record !== false;
          const content = isKept ? this.#contentOf(report, request, account, trail) : null;
          this.#parts.onFinished(report, content);
        } else trace?.fail();
      } finally {
        // Whatever went wrong. What is recorded of the body is the recorder's to count from here on.
        held.release();
        // Who drains waits for this.
        if (counts && --this.#running === 0) this.#tellIdle();
      }
    }
  };

  #doorNow(): Door {
    const { addresses } = this.#parts.config();
    if (addresses === this.#addresses) return this.#door;
    this.#addresses = addresses;
    return this.#door = new Door(addresses);
  }

  /** What a request was before policies changed it is kept where somebody wants it. */
  #newTrail(): PolicyTrail {
    const { enabled, originals } = this.#parts.config().record;
    return new PolicyTrail(null, enabled && originals);
  }

  #contentOf(
    report: Report,
    request: ForwardRequest | null,
    account: Account,
    trail: PolicyTrail | null,
  ): Content | null {
    const config = this.#parts.config();
    if (!config.record.enabled) return null;
    const originals = trail === null || !config.record.originals
      ? null
      : originalsOf(report, request, account, trail, config.policies);
    if (request !== null && isRecorded(report)) {
      return new Content(request.body, account.response, account.parsed, originals);
    }
    return originals === null ? null : new Content(NOTHING, null, null, originals);
  }

  /** null where nothing is traced, and for what the gateway answers by itself. */
  #begunTrace(route: PathRoute, id: string, client: ClientRequest): RequestTrace | null {
    const { tracing } = this.#parts;
    if (tracing === null || (route.kind !== "proxy" && route.kind !== "stored_response")) {
      return null;
    }
    const { method, headers, remoteAddress, target } = client;
    const label = routeLabel(pathOf(target));
    return tracing.request({ id, method, route: label, headers, remoteAddress });
  }

  get isIdle(): boolean {
    return this.#running === 0;
  }

  /** Requests under way, dashboards that watch left out. */
  get running(): number {
    return this.#running;
  }

  /** Resolves once no request is under way. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #tellIdle(): void {
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** Reads what is to be forwarded; null when the gateway has answered by itself. */
  async #read(
    route: Exclude<PathRoute, { kind: "proxy" }>,
    coming: Incoming,
    reply: ClientReply,
  ): Promise<ForwardRequest | null> {
    const { id, client, held, visit } = coming;
    switch (route.kind) {
      case "bad_path":
        throw new RequestError(400, `Malformed path: ${route.message}`);
      case "not_found":
        throw noSuchPath(client.target, client.method);
      case "health":
        await this.#own.health(id, client, reply);
        return null;
      case "admin":
        await this.#own.admin(id, client, held, reply);
        return null;
      case "models":
        await this.#own.models(id, client, reply, route.id, visit);
        return null;
      case "key":
        await this.#own.key(id, client, reply, visit!);
        return null;
      case "stored_response":
        return await this.#intake.stored(coming, route.id);
    }
  }
}

/** What was asked and generated, where a policy that looks for something has found it. */
function originalsOf(
  { policies: did }: Report,
  request: ForwardRequest | null,
  account: Account,
  { asked }: PolicyTrail,
  policies: Config["policies"],
): Originals | null {
  const isFound = policies.some(({ options }) =>
    looksForSomething(options) &&
    did.some(({ name, action }) => name === options.name && action !== "error")
  );
  const from = asked ?? request;
  if (!isFound || from === null || from.api === null) return null;
  const { api, model, body } = from;
  const { generated, response } = account;
  const made = generated instanceof Uint8Array && response instanceof Uint8Array
    ? apart(generated, response)
    : generated instanceof EventStore && generated === response
    ? EventStore.unpack(generated.pack())
    : generated;
  return { api, model, content: new Content(apart(body, request?.body), made) };
}

/** `bytes` in memory that `other` is not in: each of two records hands its own on. */
function apart(bytes: Uint8Array, other: Uint8Array | undefined): Uint8Array {
  return bytes.buffer === other?.buffer ? bytes.slice() : bytes;
}

/** Throws RequestError for a page that may not call. */
function refuseForeignPage(crossOrigin: CrossOrigin | null): void {
  if (crossOrigin?.allowed !== null) return;
  throw new RequestError(403, "Pages of this origin may not call the API (cors.origins)");
}

/** Answers what only browsers ask. */
async function tellOptions(
  id: string,
  client: ClientRequest,
  reply: ClientReply,
  crossOrigin: CrossOrigin | null,
): Promise<void> {
  const { headers } = client;
  const own = [["allow", ALLOWED], ["x-request-id", id]] as const;
  const told = crossOrigin?.fields(own) ?? [];
  const more = CrossOrigin.isPreflight(client.method, headers)
    ? CrossOrigin.preflight(headers)
    : [];
  await reply.send(204, [...own, ...told, ...more], new Uint8Array(0));
}

async function sendError(reply: ClientReply, id: string, target: string, error: RequestError) {
  if (reply.begun) return reply.cut();
  const { headers, body } = refusalReply(target, error);
  await reply.send(error.status, [...ownHeaders(id), ...headers], body);
}

/** The end of a request whose key was taken away in its middle. Throws Refusal where nothing went out yet. */
async function endCut(request: ForwardRequest, reply: ClientReply, account: Account) {
  const message = "The key of this request was taken away.";
  if (!reply.begun) throw new Refusal({ status: 403, reason: "key_disabled", message });
  account.error = message;
  if (!request.stream) return reply.cut();
  await reply.write(streamErrorEvent(request.api, 403, message));
  await reply.end();
}

/** The one end of a visit, however the request ended. */
function settle(visit: Visit, request: ForwardRequest | null, account: Account | null): void {
  try {
    if (account === null) return;
    const spent = request === null ? NOTHING_SPENT : spentOf(request, account, visit);
    visit.settle(spent, account.outcome);
  } finally {
    visit[Symbol.dispose]();
  }
}
