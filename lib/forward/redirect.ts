// A redirect in place of an answer: the instance's configured address is that of something else, a proxy that
// wants HTTPS or somebody to sign in.

import { header } from "../http/message.ts";
import type { InstanceConfig } from "../config/config.ts";
import type { Failure } from "./failure.ts";
import { credentialsOf } from "./header_rules.ts";
import type { ForwardRequest } from "./request.ts";
import type { ResponseHead } from "./transport.ts";

/** These hold for whoever asks. */
const PERMANENT = new Set([301, 308]);

/**
 * What a head that redirects a completion, or the like, says of the instance; null where it is an answer: to other
 * requests, or only about a slash at the end of the path, which the client can mend.
 */
export function redirectFault(
  head: ResponseHead,
  { client, path, isInference }: ForwardRequest,
  instance: InstanceConfig,
): Failure | null {
  const { status } = head;
  if (status < 300 || status >= 400 || client.method !== "POST" || !isInference) return null;
  if (path.endsWith("/") || leadsTo(head, instance) === `${path}/`) return null;
  // Who has to sign in may be one client alone, with a key of its own.
  const isClients = instance.apiKey === null && !PERMANENT.has(status) &&
    credentialsOf(client.headers).length > 0;
  return {
    message: `redirects instead of answering (${status}): \`url\` is not the address of its API`,
    status: 502,
    kind: isClients ? "lacks" : "misconfigured",
    upstreamStatus: status,
    retryAfterS: null,
  };
}

/** The path on the instance, as clients know it; null for a place elsewhere. */
function leadsTo({ headers }: ResponseHead, { origin, pathPrefix }: InstanceConfig): string | null {
  const location = header(headers, "location");
  if (location === undefined || !URL.canParse(location, origin)) return null;
  const place = new URL(location, origin);
  if (place.origin !== origin || !place.pathname.startsWith(pathPrefix)) return null;
  return place.pathname.slice(pathPrefix.length);
}
