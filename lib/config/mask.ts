// Options fit to be shown: secrets replaced, wherever they stand. Mistyped and future names are caught
// by what they contain, addresses that carry a secret by their place.

const MASK = "********";
const SECRET = /key|token|secret|passw|auth|credential|webhook/i;
/** Places where an address or header is itself the secret. */
const ADDRESSES = new Set(["alerts"]);

/** A copy of `options` without its secrets. Numbers and booleans are none (`max_tokens`). */
export function maskSecrets(options: unknown): unknown {
  return mask(options, false, false);
}

/** `secret` is for the texts of `value` itself, and with `headers` for all below it. */
function mask(value: unknown, secret: boolean | "headers", addresses: boolean): unknown {
  if (typeof value === "string") {
    if (secret && value !== "") return MASK;
    return addresses && URL.canParse(value) ? maskUrl(value) : maskUserInfo(value);
  }
  if (Array.isArray(value)) return value.map((item) => mask(item, secret, addresses));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const within = secret === "headers" || key === "headers" ? "headers" : SECRET.test(key);
      return [key, mask(inner, within, addresses || ADDRESSES.has(key))];
    }),
  );
}

/** Chat services put their secret into the path or the query. */
function maskUrl(value: string): string {
  const { protocol, host, pathname, search } = new URL(value);
  if (host === "") return value;
  return `${protocol}//${host}${pathname.length > 1 || search !== "" ? `/${MASK}` : ""}`;
}

function maskUserInfo(value: string): string {
  return value.replace(/(\/\/)[^\s/@]*@/g, `$1${MASK}@`);
}
