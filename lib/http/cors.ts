// Which pages of other origins may call the API, and how they are told (Fetch standard, CORS protocol).
// Credentials are never allowed: a key is sent by the page itself, cookies are nobody's here.

import { latin1Text } from "./latin1.ts";
import { header, type HeaderList } from "./message.ts";

export interface CorsRules {
  /** Origins as browsers write them, or "*" for any; none for pages of the gateway's own address only. */
  readonly origins: readonly string[];
}

/** Fields of any answer that a page may read, beside those that begin with x-gateway-. */
const EXPOSED = ["x-request-id", "x-gateway-instance", "retry-after"];
/** What the gateway says of itself, and of the limits of whoever asks. */
const OWN_FIELDS =
  /^(x-gateway-|x-ratelimit-|anthropic-ratelimit-|x-should-retry$|retry-after-ms$)/;
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const MAX_AGE_S = "600";
const FIELD_NAMES = /^[\w!#$%&'*+.^`|~-]+( *, *[\w!#$%&'*+.^`|~-]+)*$/;

/** What the browser that sent a request is to be told; null where the request is of no page. */
export class CrossOrigin {
  private constructor(
    /** Value of access-control-allow-origin; null where the origin is refused. */
    readonly allowed: string | null,
    private readonly varies: boolean,
  ) {}

  static of(headers: HeaderList, rules: CorsRules): CrossOrigin | null {
    const origin = header(headers, "origin");
    if (origin === undefined) return null;
    if (rules.origins.includes("*")) return new CrossOrigin("*", false);
    const isOwn = URL.canParse(origin) &&
      new URL(origin).host === header(headers, "host")?.toLowerCase();
    const allowed = isOwn || rules.origins.includes(origin);
    return new CrossOrigin(allowed ? origin : null, true);
  }

  /** The same for an error about a head that was not read to its end: with no origin seen, there may be one. */
  static fieldsOfError(seen: HeaderList, rules: CorsRules): HeaderList {
    const any = rules.origins.includes("*") ? new CrossOrigin("*", false) : null;
    return (CrossOrigin.of(seen, rules) ?? any)?.fields([]) ?? [];
  }

  /** Fields for an answer that has `sent` beside them. */
  fields(sent: HeaderList): HeaderList {
    const vary = this.varies ? [["vary", "Origin"] as const] : [];
    if (this.allowed === null) return vary;
    const exposed = new Set(EXPOSED);
    for (const [name] of sent) if (OWN_FIELDS.test(name)) exposed.add(name);
    return [
      ["access-control-allow-origin", this.allowed],
      ["access-control-expose-headers", [...exposed].join(", ")],
      ...vary,
    ];
  }

  /** Fields for the answer to a preflight, beside those of any answer. */
  static preflight(headers: HeaderList): HeaderList {
    const asked = header(headers, "access-control-request-headers")?.trim() ?? "";
    return [
      ["access-control-allow-methods", METHODS],
      // Whatever it wants to send is as good as what it leaves out.
      ["access-control-allow-headers", FIELD_NAMES.test(asked) ? asked : "*"],
      ["access-control-max-age", MAX_AGE_S],
      // A page of a public site that may call the API may do so in a private network, too.
      ...header(headers, "access-control-request-private-network") === "true"
        ? [["access-control-allow-private-network", "true"] as const]
        : [],
      ["vary", "Access-Control-Request-Headers"],
    ];
  }

  static isPreflight(method: string, headers: HeaderList): boolean {
    return method === "OPTIONS" && header(headers, "access-control-request-method") !== undefined;
  }
}

/** Longer heads are refused before. */
const MAX_LOOKED_AT = 64 * 1024;

/** Origin and host as they stand in `bytes`, which need not be a head that can be read. */
export function corsFieldsIn(bytes: Uint8Array): HeaderList {
  const text = latin1Text(bytes, 0, Math.min(bytes.length, MAX_LOOKED_AT));
  return ["origin", "host"].flatMap((name) => {
    const value = new RegExp(`\\n${name}:[ \\t]*([^\\r\\n]{1,300})\\r`, "i").exec(text)?.[1];
    return value === undefined ? [] : [[name, value.trim()] as const];
  });
}
