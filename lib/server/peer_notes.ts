// The door for notes of other gateways: who brings the token is heard, nobody else's words are read.

import type { PeersConfig } from "../config/peers.ts";
import type { AdminHandler } from "../http/admin.ts";
import {
  type BodyHold,
  type ClientReply,
  type ClientRequest,
  RequestError,
  WrongMethod,
} from "../http/client.ts";
import { header } from "../http/message.ts";
import { answerTo, bearer, equalText } from "./admin.ts";

/** Longer notes are refused (lib/peers/note.ts). */
const MAX_BYTES = 1024 * 1024;
const NOTHING = new Uint8Array(0);

export async function answerPeer(
  id: string,
  client: ClientRequest,
  held: BodyHold,
  reply: ClientReply,
  config: PeersConfig | null,
  handler: AdminHandler,
): Promise<void> {
  if (config === null || config.token === null) throw new RequestError(404, "Not Found");
  const { method, target, headers } = client;
  if (method !== "POST") throw new WrongMethod("POST");
  const given = bearer(header(headers, "authorization"));
  const trusted = given !== null && equalText(given, config.token);
  const body = trusted ? await client.readBody(MAX_BYTES, held) : NOTHING;
  const note = { method, target, headers: [], body, trusted };
  const answer = await answerTo(client, (asker) => handler(note, asker));
  if (answer === null) return;
  if (!(answer.body instanceof Uint8Array)) throw new Error("an answer to a note is no stream");
  await reply.send(answer.status, [...answer.headers, ["x-request-id", id]], answer.body);
}
