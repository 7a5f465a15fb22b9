// The public keys of who signs tokens: fetched where it publishes them, kept while it cannot be reached,
// fetched anew when a token is signed with one that is not known. Which tokens are good is told by tokens.ts.

import { isObject } from "../../json/json.ts";
import type { JSONWebKeySet } from "jose";

/** A set is used for so long before it is fetched again, beside the requests. */
const FRESH_MS = 10 * 60_000;
/** Between two fetches, whatever tokens are brought: strangers cannot have the signer asked at will. */
const COOL_DOWN_MS = 30_000;
/** After a fetch that failed. */
const RETRY_MS = 5_000;
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 1024 * 1024;

export interface KeySetOptions {
  /** Where the set is, or null for what the issuer's openid-configuration names. */
  readonly jwksUrl: string | null;
  readonly issuer: string;
  /** Milliseconds of a clock that is never set. */
  now(): number;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** A fetch failed; the set before stays. */
  onError(message: string): void;
}

export class KeySet {
  #keys: JSONWebKeySet | null = null;
  #fetchedAt = -Infinity;
  /** No fetch before that. */
  #notBefore = -Infinity;
  #fetching: Promise<void> | null = null;

  constructor(private readonly options: KeySetOptions) {}

  /** The keys; null while they could never be fetched. */
  async keys(): Promise<JSONWebKeySet | null> {
    const isFresh = this.options.now() - this.#fetchedAt < FRESH_MS;
    if (!isFresh) {
      const fetching = this.#fetch();
      if (this.#keys === null) await fetching;
    }
    return this.#keys;
  }

  /** A token is signed with a key that is none of `known`: the set as it is now; null where it is still that one. */
  async again(known: JSONWebKeySet): Promise<JSONWebKeySet | null> {
    if (this.#keys === known && this.options.now() - this.#fetchedAt >= COOL_DOWN_MS) {
      await this.#fetch();
    }
    return this.#keys === known ? null : this.#keys;
  }

  /** One fetch at a time serves everybody. */
  #fetch(): Promise<void> {
    if (this.#fetching !== null) return this.#fetching;
    if (this.options.now() < this.#notBefore) return Promise.resolve();
    return this.#fetching = this.#fetchOnce().finally(() => {
      this.#fetching = null;
    });
  }

  async #fetchOnce(): Promise<void> {
    const { now, onError, issuer } = this.options;
    try {
      this.#keys = await this.#read();
      this.#fetchedAt = now();
    } catch (error) {
      this.#notBefore = now() + RETRY_MS;
      const why = error instanceof Error ? error.message : String(error);
      const what = this.#keys === null ? "none is accepted" : "those of before stay";
      onError(`The keys for tokens of ${issuer} cannot be fetched, ${what}: ${why}`);
    }
  }

  async #read(): Promise<JSONWebKeySet> {
    const url = this.options.jwksUrl ?? await this.#discover();
    const set = await this.#json(url);
    if (!isKeySet(set)) throw new Error(`${url} gave no set of keys`);
    return set;
  }

  /** OpenID Connect Discovery 1.0, section 4: the issuer says of itself what it is called. */
  async #discover(): Promise<string> {
    const { issuer } = this.options;
    const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const said = await this.#json(url);
    const { jwks_uri, issuer: named } = isObject(said) ? said : {};
    if (typeof jwks_uri !== "string" || !URL.canParse(jwks_uri)) {
      throw new Error(`${url} names no jwks_uri`);
    }
    if (named !== issuer) throw new Error(`${url} is that of another issuer`);
    return jwks_uri;
  }

  async #json(url: string): Promise<unknown> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const text = await this.#text(url, signal).catch((error) => {
      throw signal.aborted ? new Error(`${url} took longer than ${TIMEOUT_MS / 1000} s`) : error;
    });
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(`${url} gave no JSON`);
    }
  }

  /** Whoever signs is not looked for where another address points to. */
  async #text(url: string, signal: AbortSignal): Promise<string> {
    const headers = { accept: "application/json" };
    const response = await this.options.fetch(url, { headers, redirect: "manual", signal });
    if (response.status === 200) return await limitedText(response, url);
    await response.body?.cancel();
    throw new Error(`${url} answered with ${response.status}`);
  }
}

async function limitedText(response: Response, url: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > MAX_BYTES) throw new Error(`${url} gave more than ${MAX_BYTES} bytes`);
  }
  return text + decoder.decode();
}

function isKeySet(value: unknown): value is JSONWebKeySet {
  return isObject(value) && Array.isArray(value.keys) && value.keys.every(isObject) &&
    value.keys.length > 0;
}
