// Which header fields pass from a client to an instance and back (RFC 9110, section 7.6.1).

import type { InstanceConfig } from "../config/config.ts";
import { isCredentialField } from "../http/credential_names.ts";
import { header, type HeaderList } from "../http/message.ts";
import type { ResponseHead } from "./transport.ts";

/** Fields that mean one connection only, in lower case. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-authentication-info",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

const UNCOMPRESSED = ["accept-encoding", "identity"] as const;

/** What each gateway adds to the way that a request has come (RFC 9110, section 7.6.3). */
const VIA = ["via", "1.1 simple-ai-gateway"] as const;
/** A request that has come by way of so many gateways goes round among them: none stand so many deep. */
export const MOST_GATEWAYS = 4;

/** Fields of a request that the gateway or the transport sets itself. */
const OWN_REQUEST_FIELDS = new Set([
  "accept-encoding",
  // A body is decoded when it is read.
  "content-encoding",
  "content-length",
  "expect",
  "host",
  "x-request-id",
]);

function namedByConnection(headers: HeaderList): Set<string> | null {
  const connection = header(headers, "connection");
  if (connection === undefined) return null;
  const lower = connection.toLowerCase();
  if (lower === "keep-alive" || lower === "close") return null;
  return new Set(lower.split(",").map((name) => name.trim()));
}

/**
 * The end-to-end fields of a client's request for an instance. `apiKey` replaces every credential of
 * the client's; without it Anthropic's `x-api-key` becomes the Bearer token that vLLM understands.
 * The answer must come uncompressed, since it is scanned and recorded.
 */
export function requestHeaders(
  client: HeaderList,
  apiKey: string | null,
  requestId: string,
): HeaderList {
  const named = namedByConnection(client);
  const headers: (readonly [string, string])[] = [];
  let authorized = false;
  let anthropicKey: string | undefined;
  for (const field of client) {
    const name = field[0];
    if (HOP_BY_HOP.has(name) || OWN_REQUEST_FIELDS.has(name) || named?.has(name)) continue;
    if (apiKey !== null && isCredentialField(name)) continue;
    if (name === "authorization") authorized = true;
    else if (name === "x-api-key") {
      anthropicKey = field[1];
      continue;
    }
    headers.push(field);
  }
  if (apiKey !== null) headers.push(["authorization", `Bearer ${apiKey}`]);
  else if (!authorized && anthropicKey !== undefined) {
    headers.push(["authorization", `Bearer ${anthropicKey}`]);
  }
  headers.push(UNCOMPRESSED, ["x-request-id", requestId], VIA);
  return headers;
}

/** By way of how many gateways a request has come. */
export function gatewaysBefore(client: HeaderList): number {
  let count = 0;
  for (const [name, value] of client) {
    if (name === VIA[0]) count += value.split(",").filter((one) => one.trim() === VIA[1]).length;
  }
  return count;
}

/** Of a server of several data-parallel ranks, the one that is to answer (vLLM's name for it). */
const RANK_FIELD = "x-data-parallel-rank";

/** The rank that a client names; null where it names none, or something else. */
export function rankIn(client: HeaderList): number | null {
  const named = header(client, RANK_FIELD);
  return named !== undefined && /^\d{1,6}$/.test(named) ? Number(named) : null;
}

/** The same fields for that rank, whatever the client named. */
export function forRank(headers: HeaderList, rank: number): HeaderList {
  return [...headers.filter(([name]) => name !== RANK_FIELD), [RANK_FIELD, String(rank)]];
}

/** What a client says of who it is, for a question to the instance on its behalf. */
export function credentialsOf(client: HeaderList): HeaderList {
  const authorization = header(client, "authorization");
  if (authorization !== undefined) return [["authorization", authorization]];
  const key = header(client, "x-api-key");
  return key === undefined ? [] : [["authorization", `Bearer ${key}`]];
}

/** The end-to-end fields of an instance's answer. */
export function endToEnd(headers: HeaderList): HeaderList {
  const named = namedByConnection(headers);
  return headers.filter((field) => !HOP_BY_HOP.has(field[0]) && !named?.has(field[0]));
}

/**
 * The head as a client of the gateway is to see it: an address of the instance in it becomes the gateway's,
 * which is a path alone. An instance that redirects names itself, as it was asked.
 */
export function facingClients(head: ResponseHead, instance: InstanceConfig): ResponseHead {
  if (!head.headers.some((field) => namesPlace(field) || quotesPlaces(field))) return head;
  const { host } = new URL(instance.origin);
  const headers = head.headers.map((field) => {
    if (quotesPlaces(field)) return [field[0], withoutHost(field[1], host)] as const;
    if (!namesPlace(field) || !URL.canParse(field[1], instance.origin)) return field;
    const place = new URL(field[1], instance.origin);
    const isRelative = !/^([a-z][a-z0-9+.-]*:)?\/\//i.test(field[1]);
    if (!isRelative && place.host !== host) return field;
    if (isRelative && !field[1].startsWith("/")) return field;
    const { pathPrefix } = instance;
    const isBelow = pathPrefix !== "" && place.pathname.startsWith(`${pathPrefix}/`);
    const path = isBelow ? place.pathname.slice(pathPrefix.length) : place.pathname;
    return [field[0], path + place.search + place.hash] as const;
  });
  return { ...head, headers };
}

function namesPlace(field: readonly [string, string]): boolean {
  const name = field[0];
  return name === "location" || name === "content-location";
}

/** Fields with addresses among other things. */
function quotesPlaces([name]: readonly [string, string]): boolean {
  return name === "link" || name === "refresh";
}

function withoutHost(value: string, host: string): string {
  const own = host.replace(/[.[\]]/g, "\\$&");
  return value.replace(new RegExp(`(?:https?:)?//${own}(?![\\w.:-])`, "gi"), "");
}

/** The fields that a client gets: the instance's, with the gateway's own at the end. */
export function responseHeaders(
  upstream: HeaderList,
  requestId: string,
  instance: string,
  route: string | null = null,
): HeaderList {
  const headers: (readonly [string, string])[] = [];
  for (const field of upstream) {
    const name = field[0];
    if (
      name === "content-length" || name === "x-request-id" || name === "x-gateway-instance" ||
      name === "x-gateway-route" || name === "date"
    ) continue;
    headers.push(field);
  }
  headers.push(["x-request-id", requestId], ["x-gateway-instance", instance]);
  if (route !== null) headers.push(["x-gateway-route", route]);
  return headers;
}
