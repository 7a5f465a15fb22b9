// The options that say who may ask, for what and how much: keys, groups, limits, addresses, certificates,
// and the store that several gateways share. What is wrong between two of them is found in
// normalise_access.ts.

import { isIP } from "node:net";
import { z } from "zod";

const positive = z.int().positive();
const amount = z.number().positive();

/** `10.0.0.0/8`, `fd00::/8`, or one address. */
const addresses = z.array(
  z.string().refine(isRange, "expected an address or a range such as 10.0.0.0/8 or fd00::/8"),
);

function isRange(text: string): boolean {
  const [address, prefix, more] = text.split("/");
  const version = isIP(address);
  if (version === 0 || more !== undefined) return false;
  if (prefix === undefined) return true;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128);
}

/** A moment: a date, or a date and a time with its zone. */
const moment = z.string().refine(
  (text) =>
    /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text) &&
    !Number.isNaN(Date.parse(text)),
  "expected a date (2027-01-31, from its beginning in UTC) or a time with its zone (2027-01-31T18:00Z)",
);

const hash = z.string().regex(
  /^sha256:[0-9a-f]{64}$/,
  "expected sha256: and 64 hexadecimal digits",
);
const name = z.string().regex(/^[\w.@+-]{1,64}$/, "letters, digits and . _ @ + - only, at most 64");

const budget = z.strictObject({
  period: z.enum(["day", "month", "total"])
    .describe("When it begins anew, in limits.time_zone; total: never (prepaid)."),
  tokens: positive.optional().describe("Tokens of prompt and answer together."),
  cost: amount.optional().describe("In the currency of limits.prices."),
});
const budgets = z.union([budget, z.array(budget)])
  .describe("What may be used in a period; the next request after it is refused.");

/** Limits that a key, a group and a model may have; null for none where a default is to be lifted. */
const rates = {
  requests_per_minute: positive.nullable().optional()
    .describe("Requests a minute, refilled all the time; null for any number."),
  tokens_per_minute: positive.nullable().optional()
    .describe("Tokens of prompt and answer a minute; null for any number."),
  concurrency: positive.nullable().optional()
    .describe("Requests at once; null for any number."),
  max_prompt_tokens: positive.nullable().optional()
    .describe("Longest prompt, as estimated; null for any."),
  max_completion_tokens: positive.nullable().optional()
    .describe("Most that one request may ask for; null for any."),
};
const burst = z.number().positive().max(3600).optional()
  .describe("Seconds' worth of the rates that may be used at once; 60 unless said otherwise.");
const over = z.enum(["reject", "queue"])
  .describe("What happens above a limit: a 429, or a wait of at most queue.deadline.");

const previousKey = z.strictObject({
  hash,
  until: moment.describe("From then on it is unknown."),
});

/** One key, as in `keys` and in the keys file. */
export const keyOptions = z.strictObject({
  name: name.describe("What it is called in logs, metrics and records. Its counters hang on it."),
  hash: hash.optional().describe("SHA-256 of the key, as `keys create` prints it."),
  key: z.string().min(24, "expected at least 24 characters").max(512)
    .regex(/^[\x21-\x7e]*$/, "expected printable ASCII without spaces").optional()
    .describe("The key itself, by ${NAME} from the environment alone."),
  previous: z.array(previousKey).default([])
    .describe("Keys before a rotation, which work for a while yet."),
  group: name.optional().describe("The group that it belongs to."),
  models: z.array(z.string().min(1)).default([])
    .describe("Models that it may use, or their beginnings (`qwen*`); empty for all."),
  routes: z.array(
    z.string().regex(/^\/[\x21-\x7e]*$/, "expected a path such as /v1/chat/completions"),
  )
    .default([])
    .describe("Paths that it may ask, or their beginnings (`/v1/audio/*`); empty for all."),
  allow_addresses: addresses.default([])
    .describe("Addresses that it may come from; empty for all."),
  priority: z.int().min(-1000).max(1000).optional()
    .describe("The highest x-priority, and what a request without one has."),
  record: z.union([z.boolean(), z.literal("meta")]).default(true)
    .describe("Whether its conversations are recorded; meta: without their words."),
  expires: moment.optional().describe("From then on it is refused."),
  disabled: z.union([z.boolean(), z.literal("now")]).default(false)
    .describe("Refused; now: streams under way end, too."),
  note: z.string().max(1000).default("").describe("For people."),
  ...rates,
  burst,
  over: over.optional(),
  budget: budgets.optional(),
});

const group = z.strictObject({
  name,
  ...rates,
  burst,
  budget: budgets.optional(),
  priority: z.int().min(-1000).max(1000).optional()
    .describe("For its keys that have none of their own."),
  cache_salt: z.union([z.boolean(), z.string().min(1).max(200)]).default(false).describe(
    "Keeps its prompts apart in the instances' prefix caches (vLLM's cache_salt): true, or the salt.",
  ),
});

const price = z.strictObject({
  prompt: z.number().nonnegative(),
  cached: z.number().nonnegative().optional()
    .describe("Tokens of the prompt that were in a cache; else as the others."),
  completion: z.number().nonnegative(),
});

export const limitsOptions = z.strictObject({
  ...rates,
  burst,
  budget: budgets.optional(),
  over: over.default("reject"),
  settle: z.enum(["usage", "estimate"]).default("usage").describe(
    "usage: instances are asked for it where a limit needs it, unseen by clients; or estimate.",
  ),
  max_share_of_queue: z.number().positive().max(1).default(0.25)
    .describe("Share of queue.max that one key may hold."),
  time_zone: z.string().refine(isTimeZone, "expected a time zone such as UTC or Asia/Shanghai")
    .default("UTC").describe("In which days and months end."),
  models: z.record(z.string(), z.strictObject({ ...rates, burst })).default({})
    .describe("By model, over all keys."),
  prices: z.record(z.string(), price).default({})
    .describe("By model, per million tokens, in any currency."),
});

function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: text });
    return true;
  } catch {
    // A RangeError is how Intl says that it knows no such zone.
    return false;
  }
}

/** Signatures made with a key of one's own that everybody may check; `none` and HS256 are none. */
const algorithm = z.enum([
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
]);

const jwt = z.strictObject({
  issuer: z.string().min(1).describe("Who signs them (iss), as it stands in them."),
  audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .describe("Whom they must be for (aud)."),
  algorithms: z.array(algorithm).min(1).default(["ES256", "RS256"]),
  jwks_url: z.url().optional()
    .describe("Where the signer's keys are; else as the issuer's openid-configuration says."),
  name: z.string().min(1).default("sub").describe("The claim that is the caller's name."),
  group: z.string().min(1).nullable().default(null)
    .describe("The claim that is its group, such as `groups.0`."),
  clock_tolerance: z.number().nonnegative().max(3600).default(30)
    .describe("Seconds by which clocks may differ."),
});

export const accessOptions = z.strictObject({
  without_key: z.string().min(1).default("refuse")
    .describe("refuse, or the name of a key: who brings none is that one."),
  allow_addresses: addresses.default([])
    .describe("Addresses that requests may come from; empty for all."),
  trusted_proxies: addresses.default([])
    .describe("Whose X-Forwarded-For is believed."),
  jwt: jwt.nullable().default(null).describe("Tokens that stand for a key."),
});

export const tlsOptions = z.strictObject({
  cert_file: z.string().min(1).describe("Certificate and what it is signed by, as PEM."),
  key_file: z.string().min(1).describe("Its key, as PEM."),
  client_ca_file: z.string().min(1).nullable().default(null)
    .describe(
      "Clients must bring a certificate that one of these has signed; only with listener http1.",
    ),
});

function isServerUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null) return false;
  try {
    decodeURIComponent(url.username + url.password);
    return true;
  } catch {
    // An escape that is none.
    return false;
  }
}

export const sharedStateOptions = z.strictObject({
  url: z.string().regex(/^(rediss?|valkeys?):\/\//, "expected an address such as redis://host:6379")
    // The address itself is in no word of it: a password may be.
    .refine(isServerUrl, "is no address: in a password, write @ : / ? # and % as %40 and the like")
    .describe("A Redis or Valkey server."),
  prefix: z.string().regex(/^[\w.:-]{1,50}$/).default("sag").describe("Of all names in it."),
  timeout: z.number().positive().max(5).default(0.05).describe("For one call."),
  when_down: z.enum(["local", "open", "closed"]).default("local").describe(
    "local: each gateway keeps its share of the limits; open: none hold; closed: 503.",
  ),
});

export type RawKey = z.output<typeof keyOptions>;
export type RawBudget = z.output<typeof budget>;
export type RawRates = Pick<RawKey, keyof typeof rates | "burst">;
export const groupsOptions = z.array(group);
