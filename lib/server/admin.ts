// Who may see metrics and dashboard, and the way of their answers to the client. What they show is left
// to the handler.

import type { AdminConfig } from "../config/config.ts";
import type { AdminHandler } from "../http/admin.ts";
import { type ClientReply, type ClientRequest, RequestError } from "../http/client.ts";
import { header, type HeaderList } from "../http/message.ts";

const MAX_BODY_BYTES = 1024 * 1024;

export type Access =
  /** `trusted`: it brought the token. */
  | { kind: "granted"; trusted: boolean }
  | { kind: "refused"; status: 401 | 403 | 404; message: string };

/** Headers that a proxy on this host adds: its clients are not this host's users. */
const FORWARDED = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/**
 * Decides on one request. Without a token only this host may look, and only by one of its own names: a
 * page of another site that has its own name resolve to 127.0.0.1 sends that name as Host. Pages of
 * other origins are refused, actions need the token.
 */
export function adminAccess(
  request: { method: string; target: string; headers: HeaderList; remoteAddress: string },
  config: AdminConfig,
): Access {
  const { headers, method } = request;
  const reading = method === "GET" || method === "HEAD";
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
  const local = isLoopback(request.remoteAddress) && isLoopbackHost(header(headers, "host")) &&
    !FORWARDED.some((name) => header(headers, name) !== undefined);
  if (local) return { kind: "granted", trusted: false };
  // The page itself holds no figures; it asks for the token and shows them with it.
  if (config.token !== null && isAsset(request.target)) return { kind: "granted", trusted: false };
  return config.token === null
    ? { kind: "refused", status: 403, message: "From other hosts only with admin.token set" }
    : { kind: "refused", status: 401, message: "admin.token is needed as a bearer token" };
}

/** Reads, decides, asks the handler, answers. Throws RequestError for what is refused. */
export async function answerAdmin(
  id: string,
  client: ClientRequest,
  reply: ClientReply,
  config: AdminConfig,
  handler: AdminHandler,
): Promise<void> {
  const access = adminAccess(client, config);
  if (access.kind === "refused") throw new RequestError(access.status, access.message);
  const { method, target, headers } = client;
  const answer = await handler({
    method,
    target,
    headers,
    body: await client.readBody(MAX_BODY_BYTES),
    trusted: access.trusted,
  });
  const replyHeaders: HeaderList = [...answer.headers, ["x-request-id", id]];
  if (answer.body instanceof Uint8Array) {
    return await reply.send(answer.status, replyHeaders, answer.body);
  }
  const pieces = answer.body[Symbol.asyncIterator]();
  const stay = client.onGone(() => void pieces.return?.());
  reply.begin(answer.status, replyHeaders, null);
  for (;;) {
    const { done, value } = await pieces.next();
    if (done || client.gone) break;
    await reply.write(value);
  }
  stay();
  await pieces.return?.();
  await reply.end();
}

function isAsset(target: string): boolean {
  return !target.startsWith("/dashboard/api/") && !target.startsWith("/metrics");
}

function bearer(value: string | undefined): string | null {
  return value === undefined ? null : /^bearer +(\S+) *$/i.exec(value)?.[1] ?? null;
}

/** In a time that depends on the length of `given` only. */
function equalText(given: string, expected: string): boolean {
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

export function isLoopback(address: string): boolean {
  return /^(127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/.test(address);
}

function isLoopbackHost(host: string | undefined): boolean {
  return host !== undefined &&
    /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host);
}
