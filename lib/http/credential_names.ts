// The names under which clients tell servers and vendors who is asking, in fields and in queries. What
// stands there is kept from those whom it does not concern.

const FIELD = new RegExp(
  "^(?!idempotency-key$)(cookie2?|openai-(organization|project)|x-(session|csrf|xsrf)|" +
    ".*(api[-_]?key|csrf-?token)|" +
    "(.*[-_])?(auth|authorization|key|token|secret|password|passwd|credentials?|jwt|bearer|" +
    "assertion|signature|oidc-(data|identity|access-?token)|client-cert(-chain)?))$",
);
const PARAMETER =
  /^(.*[-_])?(key|api[-_]?key|token|auth|authorization|secret|password|signature|sig|jwt)$/i;

/** What almost every request has, and whether the expression above, which costs far more, matches it. */
const USUAL: ReadonlyMap<string, boolean> = new Map(
  [
    "accept accept-encoding accept-language connection content-length content-type host",
    "user-agent x-request-id authorization x-api-key",
  ].join(" ").split(" ").map((name) => [name, FIELD.test(name)]),
);

/** Whether a header field, its name in lower case, tells who is asking. */
export function isCredentialField(name: string): boolean {
  return USUAL.get(name) ?? FIELD.test(name);
}

/** Whether a part of a query (`name=value`) does; `api%5Fkey=…` does, too. */
export function isCredentialPair(pair: string): boolean {
  const end = pair.indexOf("=");
  const name = end < 0 ? pair : pair.slice(0, end);
  if (!name.includes("%")) return PARAMETER.test(name);
  try {
    return PARAMETER.test(decodeURIComponent(name));
  } catch {
    // No escape that a server could read, either.
    return PARAMETER.test(name);
  }
}
