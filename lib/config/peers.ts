// Options of peers, the other gateways in front of the same instances, in the file's words and as the program
// sees them.

import { z } from "zod";
import type { SharedStateConfig } from "./access.ts";
import type { Fault } from "./fault.ts";
import { readUrl } from "./url.ts";

const DEFAULTS = { urls: [], dns: null, interval: 0.1, token: null, stale_after: 3 };

const url = z.string().superRefine((text, context) => {
  const place = readUrl(text);
  const fault = typeof place === "string"
    ? place
    : place.pathPrefix === ""
    ? null
    : "expected no path";
  if (fault !== null) context.addIssue({ code: "custom", message: fault });
});

export const peersOptions = z.union([
  z.literal(false),
  z.strictObject({
    urls: z.array(url).max(16).default(DEFAULTS.urls)
      .describe("Addresses of the other gateways; the own one among them does no harm."),
    dns: z.string().regex(/^[\w-]+(\.[\w-]+)*(:\d{1,5})?$/, "expected a name, or name:port")
      .nullable().default(DEFAULTS.dns)
      .describe("A name whose addresses are all gateways, with their port (9999)."),
    interval: z.number().min(0.02).max(10).default(DEFAULTS.interval)
      .describe("Between two notes to each of them."),
    token: z.string().min(16, "expected at least 16 characters")
      .regex(/^[\x21-\x7e]*$/, "expected printable ASCII without spaces")
      .nullable().default(DEFAULTS.token)
      .describe("The same in all gateways; needed with urls or dns."),
    stale_after: z.number().min(0.1).max(3600).default(DEFAULTS.stale_after)
      .describe("What a gateway said counts for so long."),
  }),
]).default(DEFAULTS);

type RawPeers = z.output<typeof peersOptions>;

/** Other gateways, and the way to them. */
export interface PeersConfig {
  /** Origins. */
  readonly urls: readonly string[];
  readonly dns: { readonly name: string; readonly port: number } | null;
  /** The way where neither is given: through the server of shared_state. */
  readonly shared: SharedStateConfig | null;
  readonly intervalS: number;
  readonly token: string | null;
  readonly staleAfterS: number;
}

/** null where this gateway knows of no others. */
export function normalisePeers(
  raw: RawPeers,
  shared: SharedStateConfig | null,
  faults: Fault[],
): PeersConfig | null {
  if (raw === false) return null;
  const isDirect = raw.urls.length > 0 || raw.dns !== null;
  if (!isDirect && shared === null) return null;
  if (isDirect && raw.token === null) {
    const message = "expected a token, the same in all gateways, such as ${GATEWAY_PEER_TOKEN}";
    faults.push({ path: ["peers", "token"], message });
  }
  const [name, port = "9999"] = raw.dns?.split(":") ?? [];
  return {
    urls: [...new Set(raw.urls.map((text) => new URL(text).origin))],
    dns: raw.dns === null ? null : { name, port: Number(port) },
    shared: isDirect ? null : shared,
    intervalS: raw.interval,
    token: raw.token,
    staleAfterS: raw.stale_after,
  };
}
