// Who may ask, for what and how much, as the rest of the program sees it: every option present, units in
// the names, keys as hashes only.

/** What a key, a group or a model may do; null for any number. */
export interface Rates {
  readonly requestsPerMinute: number | null;
  /** Of prompt and answer. */
  readonly tokensPerMinute: number | null;
  readonly concurrency: number | null;
  readonly maxPromptTokens: number | null;
  readonly maxCompletionTokens: number | null;
  /** Seconds' worth of the rates that may be used at once. */
  readonly burstS: number;
}

/** Nothing is limited. */
export const NO_RATES: Rates = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrency: null,
  maxPromptTokens: null,
  maxCompletionTokens: null,
  burstS: 60,
};

export type Period = "day" | "month" | "total";

/** What may be used in a period; at least one of the two is set. */
export interface Budget {
  readonly period: Period;
  readonly tokens: number | null;
  /** In the currency of the prices. */
  readonly cost: number | null;
}

/** What is done with a request above a limit. */
export type Over = "reject" | "queue";

/** A key that opens, and until when (milliseconds since 1970; null for no end). */
export interface KeyHash {
  /** SHA-256, 64 hexadecimal digits. */
  readonly hash: string;
  readonly untilMs: number | null;
}

export interface KeyConfig {
  readonly name: string;
  /** Empty for a name that only `withoutKey` or a token stands for. */
  readonly hashes: readonly KeyHash[];
  readonly group: string | null;
  /** Names, or beginnings that end in `*`; empty for all. */
  readonly models: readonly string[];
  /** Paths, or beginnings that end in `*`; empty for all. */
  readonly routes: readonly string[];
  readonly allowAddresses: readonly string[];
  /** The highest x-priority, and what a request without one has; null for the group's, or 0. */
  readonly priority: number | null;
  readonly record: boolean | "meta";
  readonly expiresMs: number | null;
  readonly disabled: boolean | "now";
  readonly note: string;
  readonly limits: Rates;
  readonly budgets: readonly Budget[];
  readonly over: Over;
}

export interface GroupConfig {
  readonly name: string;
  readonly limits: Rates;
  readonly budgets: readonly Budget[];
  /** For its keys that have none of their own. */
  readonly priority: number | null;
  /** vLLM's `cache_salt` for its requests; null for none. */
  readonly cacheSalt: string | null;
}

/** Per million tokens. */
export interface Price {
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
}

/** Who is calling, where that matters. */
export interface CallersConfig {
  readonly keys: readonly KeyConfig[];
  readonly groups: Readonly<Record<string, GroupConfig>>;
  /** By model, over all keys. */
  readonly models: Readonly<Record<string, Rates>>;
  readonly prices: Readonly<Record<string, Price>>;
  /** For callers that no key stands for (tokens). */
  readonly defaults: {
    readonly limits: Rates;
    readonly budgets: readonly Budget[];
    readonly over: Over;
  };
  /** Whether instances are asked for usage where a limit needs it. */
  readonly settle: "usage" | "estimate";
  /** Share of the line that one key may hold. */
  readonly maxShareOfQueue: number;
  readonly timeZone: string;
  /** Name of the key that who brings none is; null to refuse. */
  readonly withoutKey: string | null;
  readonly jwt: JwtConfig | null;
}

export interface JwtConfig {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly algorithms: readonly string[];
  /** null: as the issuer's openid-configuration says. */
  readonly jwksUrl: string | null;
  /** Claims, with dots between the parts of a path. */
  readonly name: string;
  readonly group: string | null;
  readonly clockToleranceS: number;
}

/** Which addresses may come in, and whose word about them counts. */
export interface AddressesConfig {
  /** Empty for all. */
  readonly allow: readonly string[];
  readonly trustedProxies: readonly string[];
}

/** The certificate that clients meet; texts in PEM. */
export interface TlsConfig {
  /** The certificate, and what it is signed by. */
  readonly cert: string;
  readonly key: string;
  /** Who signs the certificates that clients must bring; null where they need none. */
  readonly clientCa: string | null;
  /** Milliseconds since 1970 at which the first of the chain is over. */
  readonly expiresMs: number;
}

export interface SharedStateConfig {
  readonly url: string;
  readonly prefix: string;
  readonly timeoutS: number;
  readonly whenDown: "local" | "open" | "closed";
}
