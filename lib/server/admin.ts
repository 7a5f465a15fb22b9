// Who may see metrics and dashboard, and the way of their answers to the client. What they show is left
// to the handler.

import type { AdminConfig } from "../config/config.ts";
import { type AdminHandler, type AdminReply, DECISIONS, EXPLAIN } from "../http/admin.ts";
import {
  type BodyHold,
  type ClientReply,
  type ClientRequest,
  RequestError,
} from "../http/client.ts";
import { header, type HeaderList, pathOf } from "../http/message.ts";

const MAX_BODY_BYTES = 1024 * 1024;
/** Of a request that is to be explained. */
const MAX_EXPLAINED_BYTES = 32 * 1024 * 1024;

export type AdminAccess =
  /** `trusted`: it brought the token. */
  | { kind: "granted"; trusted: boolean }
  | { kind: "refused"; status: 401 | 403 | 404; message: string };

/**
 * Fields that browsers and command lines send by themselves. Any other may be a proxy's, of which there are
 * too many to name; a proxy on this host has clients that are not this host's users.
 */
const DIRECT_FIELDS = new RegExp(
  "^(host|user-agent|accept(-.*)?|connection|authorization|referer|cookie|origin|sec-.*|dnt|te|range|" +
    "upgrade-insecure-requests|cache-control|pragma|priority|if-.*|content-(type|length)|" +
    "last-event-id|traceparent|tracestate|x-request-id)$",
);

const NO_TOKEN = "Only users of this host, without a proxy between, see this without admin.token";

/**
 * Decides on one request. A token that is set is needed by everybody. Without one, only who is surely a
 * user of this host may look, and sees neither records nor keys: those are other people's words, and what
 * they use. `admin.local` says that users of this host may see all. Pages of other origins are refused, actions need the token.
 */
export function adminAccess(
  request: { method: string; target: string; headers: HeaderList; remoteAddress: string },
  config: AdminConfig,
): AdminAccess {
  const { headers, method } = request;
  // A question that changes nothing; its method only carries a body.
  const asks = method === "POST" && isAt(EXPLAIN, request.target);
  const reading = method === "GET" || method === "HEAD" || asks;
  const metrics = /^\/metrics(\?|$)/.test(request.target);
  if (metrics && config.publicMetrics && reading) return { kind: "granted", trusted: false };
  if (!config.enabled) return { kind: "refused", status: 404, message: "Not Found" };
  const origin = header(headers, "origin");
  if (origin !== undefined && !sameHost(origin, header(headers, "host"))) {
    return { kind: "refused", status: 403, message: "Pages of other origins are refused" };
  }
  const given = bearer(header(headers, "authorization"));
  if (given !== null && config.token !== null && equalText(given, config.token)) {
    return { kind: "granted", trusted: true };
  }
  if (!reading) {
    const message = config.token === null
      ? "Actions need admin.token in the configuration"
      : "Actions need admin.token as a bearer token";
    return { kind: "refused", status: config.token === null ? 403 : 401, message };
  }
  // The page itself holds no figures; it asks for the token and shows them with it.
  if (config.token !== null && isAsset(request.target)) return { kind: "granted", trusted: false };
  if (config.token !== null && !config.local) {
    return { kind: "refused", status: 401, message: "admin.token is needed as a bearer token" };
  }
  if (!isDirect(request)) {
    return config.token === null
      ? { kind: "refused", status: 403, message: NO_TOKEN }
      : { kind: "refused", status: 401, message: "admin.token is needed as a bearer token" };
  }
  if (!config.local && isAboutClients(request.target)) {
    const message =
      "Records, requests, policies and keys are shown with admin.token, or to users of this host by admin.local";
    return { kind: "refused", status: 403, message };
  }
  return { kind: "granted", trusted: false };
}

/**
 * Whether it surely comes from a user of this host: from a loopback address, by one of this host's own
 * names (a page of another site that has its own name resolve to 127.0.0.1 sends that name as Host),
 * and with nothing that a proxy adds or changes. nginx as it comes closes each connection; so does
 * HTTP/1.0, for which the listener adds the word.
 */
function isDirect(request: { headers: HeaderList; remoteAddress: string }): boolean {
  const { headers, remoteAddress } = request;
  const host = header(headers, "host");
  if (!isLoopback(remoteAddress) || !isLoopbackHost(host)) return false;
  if (!headers.every(([name]) => DIRECT_FIELDS.test(name))) return false;
  const connection = header(headers, "connection");
  // Browsers always send it; nginx that keeps its connections (`Connection ""`) takes it away.
  if (connection === undefined && headers.some(([name]) => name.startsWith("sec-"))) return false;
  if ((connection ?? "keep-alive").toLowerCase() !== "keep-alive") return false;
  const referer = header(headers, "referer");
  if (referer !== undefined && !sameHost(referer, host)) return false;
  const site = header(headers, "sec-fetch-site");
  return site === undefined || site === "none" || site === "same-origin";
}

/** What people asked and were answered, and how much each of them uses. */
function isAboutClients(target: string): boolean {
  return /^\/dashboard\/api\/(records?|requests?|failing|policies|keys|usage)(\?|$|\/)/.test(
    target,
  );
}

/** Whether the one who asks may know where the instances are. */
export function seesAddresses(client: ClientRequest, config: AdminConfig): boolean {
  const { headers, remoteAddress } = client;
  const request = { method: "GET", target: "/dashboard/api/fleet", headers, remoteAddress };
  return adminAccess(request, config).kind === "granted";
}

/** Reads, decides, asks the handler, answers. Throws RequestError for what is refused. */
export async function answerAdmin(
  id: string,
  client: ClientRequest,
  held: BodyHold,
  reply: ClientReply,
  config: AdminConfig,
  handler: AdminHandler,
): Promise<void> {
  const access = adminAccess(client, config);
  if (access.kind === "refused") throw new RequestError(access.status, access.message);
  const { method, target, headers } = client;
  const most = isAt(EXPLAIN, target) ? MAX_EXPLAINED_BYTES : MAX_BODY_BYTES;
  const body = await client.readBody(most, held).catch((error) => {
    // The listener's words name an option that is not about these pages.
    const isTooLarge = error instanceof RequestError && error.status === 413;
    throw isTooLarge ? new RequestError(413, `More than ${most} bytes are not taken here`) : error;
  });
  const request = { method, target, headers, body, trusted: access.trusted };
  const answer = await answerTo(client, (asker) => handler(request, asker));
  if (answer === null) return;
  const replyHeaders: HeaderList = [...answer.headers, ["x-request-id", id]];
  if (answer.body instanceof Uint8Array) {
    return await reply.send(answer.status, replyHeaders, answer.body);
  }
  const pieces = answer.body[Symbol.asyncIterator]();
  const stay = client.onGone(() => void pieces.return?.());
  try {
    reply.begin(answer.status, replyHeaders, null);
    for (;;) {
      const { done, value } = await pieces.next();
      if (done || client.gone) break;
      await reply.write(value);
    }
  } finally {
    stay();
    await pieces.return?.();
  }
  await reply.end();
}

/** null where the client has left before there was one. */
export async function answerTo(
  client: ClientRequest,
  ask: (asker: AbortSignal) => Promise<AdminReply>,
): Promise<AdminReply | null> {
  const leaving = new AbortController();
  const stay = client.onGone(() => leaving.abort());
  try {
    return await ask(leaving.signal);
  } catch (error) {
    if (leaving.signal.aborted && error === leaving.signal.reason) return null;
    throw error;
  } finally {
    stay();
  }
}

function isAsset(target: string): boolean {
  return !target.startsWith("/dashboard/api/") && !target.startsWith("/metrics") &&
    !isAt(EXPLAIN, target) && !isAt(DECISIONS, target);
}

export function isAt(path: string, target: string): boolean {
  return pathOf(target) === path;
}

export function bearer(value: string | undefined): string | null {
  return value === undefined ? null : /^bearer +(\S+) *$/i.exec(value)?.[1] ?? null;
}

/** In a time that depends on the length of `given` only. */
export function equalText(given: string, expected: string): boolean {
  let difference = given.length ^ expected.length;
  for (let i = 0; i < given.length; i++) {
    difference |= given.charCodeAt(i) ^ expected.charCodeAt(i % expected.length);
  }
  return difference === 0;
}

function sameHost(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && host !== undefined &&
    new URL(origin).host === host.toLowerCase();
}

function isLoopback(address: string): boolean {
  return /^(127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/.test(address);
}

function isLoopbackHost(host: string | undefined): boolean {
  return host !== undefined &&
    /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host);
}
