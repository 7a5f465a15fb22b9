// What the gateway answers by itself: its health, its models, a caller's own limits, its pages.

import { type AdminHandler, PEERS } from "../http/admin.ts";
import {
  type BodyHold,
  type ClientReply,
  type ClientRequest,
  WrongMethod,
} from "../http/client.ts";
import type { HeaderList } from "../http/message.ts";
import type { Config } from "../config/config.ts";
import { sentItself } from "../caller/address/door.ts";
import type { Visit } from "../caller/visit.ts";
import type { Fleet } from "../pool/fleet.ts";
import type { ModelCatalog } from "../pool/discovery/models.ts";
import { answerAdmin, isAt, seesAddresses } from "./admin.ts";
import { LOOK } from "./caller_terms.ts";
import { forStrangers, healthReport } from "./health.ts";
import { keyPage } from "./key_page.ts";
import { noSuchModel } from "./not_found.ts";
import { answerPeer } from "./peer_notes.ts";

export interface OwnAnswersParts {
  readonly fleet: Fleet;
  readonly catalog: ModelCatalog;
  readonly admin: AdminHandler;
  config(): Config;
  draining(): boolean;
  /** Of the program. */
  readonly version: string;
  /** Seconds since the process started. */
  uptimeS(): number;
}

const encoder = new TextEncoder();

export class OwnAnswers {
  constructor(private readonly parts: OwnAnswersParts) {}

  /** What trusted proxies add is nothing that tells against a user of this host. */
  async admin(
    id: string,
    client: ClientRequest,
    held: BodyHold,
    reply: ClientReply,
  ): Promise<void> {
    const { config, admin } = this.parts;
    if (isAt(PEERS, client.target)) {
      return await answerPeer(id, client, held, reply, config().peers, admin);
    }
    await answerAdmin(id, sentItself(client), held, reply, config().admin, admin);
  }
  async health(id: string, client: ClientRequest, reply: ClientReply): Promise<void> {
    onlyGet(client);
    const { fleet, config, draining, version, uptimeS } = this.parts;
    const snapshot = config();
    const process = { version, uptimeS: uptimeS(), draining: draining() };
    const { httpStatus, report } = healthReport(fleet, snapshot, process);
    const shown = seesAddresses(sentItself(client), snapshot.admin) ? report : forStrangers(report);
    await sendJson(reply, id, httpStatus, shown);
  }

  async models(
    id: string,
    client: ClientRequest,
    reply: ClientReply,
    model: string | null,
    visit: Visit | null,
  ): Promise<void> {
    onlyGet(client);
    await visit?.admit(LOOK);
    const all = await this.parts.catalog.list(this.parts.config());
    const list = visit === null
      ? all
      : { ...all, data: all.data.filter((one) => visit.caller.mayUse(one.id)) };
    if (model === null) return await sendJson(reply, id, 200, list);
    const entry = list.data.find((other) => other.id === model);
    if (entry === undefined) {
      throw noSuchModel(model, list.data.map(({ id }) => id));
    }
    await sendJson(reply, id, 200, entry);
  }

  async key(id: string, client: ClientRequest, reply: ClientReply, visit: Visit): Promise<void> {
    onlyGet(client);
    await sendJson(reply, id, 200, await keyPage(visit));
  }
}

function onlyGet(client: ClientRequest): void {
  if (client.method !== "GET" && client.method !== "HEAD") {
    throw new WrongMethod("GET, HEAD");
  }
}

/** Of an answer that the gateway gives by itself. */
export function ownHeaders(id: string): HeaderList {
  return [["content-type", "application/json"], ["x-request-id", id]];
}

async function sendJson(reply: ClientReply, id: string, status: number, value: unknown) {
  await reply.send(status, ownHeaders(id), encoder.encode(JSON.stringify(value)));
}
