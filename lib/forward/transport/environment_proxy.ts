// Whether the environment sends requests for an origin through a proxy. Only fetch knows how to speak
// to one, so this decides between the transports; the proxying itself is left to Deno.

/** Variables that name a proxy, by the scheme of the URL; Deno reads them in this order too. */
const VARIABLES = {
  "http:": ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
  "https:": ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
};

export type Env = (name: string) => string | undefined;

/** Tells for an origin such as `http://10.0.0.1:8000` whether a proxy is to be used. */
export function environmentProxy(env: Env): (origin: string) => boolean {
  const isSet = (names: readonly string[]) => names.some((name) => (env(name) ?? "") !== "");
  const named = { "http:": isSet(VARIABLES["http:"]), "https:": isSet(VARIABLES["https:"]) };
  if (!named["http:"] && !named["https:"]) return () => false;
  const exempt = (env("no_proxy") ?? env("NO_PROXY") ?? "").split(",").map((rule) =>
    rule.trim().toLowerCase()
  ).filter((rule) => rule !== "");
  return (origin) => {
    const { hostname, protocol } = new URL(origin);
    const host = hostname.replace(/^\[|\]$/g, "");
    return named[protocol as keyof typeof named] && !exempt.some((rule) => covers(rule, host));
  };
}

/** `*`, a name and the names below it, an address, or a range of IPv4 addresses as 10.0.0.0/8. */
function covers(rule: string, host: string): boolean {
  if (rule === "*" || rule === host) return true;
  const range = /^(\d+\.\d+\.\d+\.\d+)\/(\d{1,2})$/.exec(rule);
  if (range !== null) {
    const address = ipv4(host);
    const base = ipv4(range[1]);
    const bits = Number(range[2]);
    if (address === null || base === null || bits > 32) return false;
    const mask = bits === 0 ? 0 : (~0 << (32 - bits)) >>> 0;
    return ((address & mask) >>> 0) === ((base & mask) >>> 0);
  }
  if (ipv4(host) !== null || host.includes(":")) return false;
  return host.endsWith(rule.startsWith(".") ? rule : `.${rule}`);
}

function ipv4(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let value = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return null;
    value = value * 256 + Number(part);
  }
  return value;
}
