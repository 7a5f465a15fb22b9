// Signed tokens (JWT) in place of keys: whose they are, or why they are refused. Loads `jose` when the first
// one comes. What their bearer may do is left to who reads the name.

import { createHash } from "node:crypto";
import type { CryptoKey, JSONWebKeySet, JWTPayload } from "jose";
import type { JwtConfig } from "../../config/access.ts";
import { KeySet, type KeySetOptions } from "./key_set.ts";

export type TokenVerdict =
  /** `untilMs`: milliseconds since 1970 from which on it is refused. */
  | { kind: "bearer"; name: string; group: string | null; untilMs: number }
  | { kind: "refused"; message: string; isExpired: boolean }
  /** Nobody can say: the signer's keys could never be fetched. */
  | { kind: "unknown"; message: string };

export interface TokenParts extends Pick<KeySetOptions, "now" | "fetch" | "onError"> {
  /** Milliseconds since 1970. */
  wallClock(): number;
}

/** A token that was good is believed for so long without another look. */
const BELIEVED_MS = 5 * 60_000;
const MAX_BELIEVED = 10_000;
/** No token that a header should carry is longer. */
const MAX_CHARS = 16 * 1024;
const MAX_NAME_CHARS = 200;

/** Why a token is refused that may be signed with a key that has not been fetched yet. */
const OTHER_KEY = {
  "no such key": "it is signed with an unknown key",
  "wrong signature": "its signature is wrong",
} as const;

type Jose = typeof import("jose");
type Bearer = TokenVerdict & { kind: "bearer" };

export class Tokens {
  readonly #keys: KeySet;
  /** By the SHA-256 of the token; until when by the clock that is never set, since keys are withdrawn meanwhile. */
  readonly #believed = new Map<string, { bearer: Bearer; until: number }>();

  /** `before`: by the rules until now, whose keys are kept where the same signer has them at the same place. */
  constructor(
    private readonly rules: JwtConfig,
    private readonly parts: TokenParts,
    before: Tokens | null = null,
  ) {
    const { issuer, jwksUrl } = rules;
    const isSame = before?.rules.issuer === issuer && before.rules.jwksUrl === jwksUrl;
    this.#keys = isSame ? before.#keys : new KeySet({ ...parts, jwksUrl, issuer });
  }

  /** Whether `text` has the form of a token; keys have another one. */
  static isOne(text: string): boolean {
    return text.startsWith("eyJ") && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text);
  }

  /** Never rejects for what a token, or its signer, is. */
  async bearerOf(token: string): Promise<TokenVerdict> {
    if (token.length > MAX_CHARS) return refused(`it is longer than ${MAX_CHARS} characters`);
    const now = this.parts.wallClock();
    const hash = createHash("sha256").update(token).digest("base64");
    const known = this.#believed.get(hash);
    const isBelieved = known !== undefined && this.parts.now() < known.until &&
      now < known.bearer.untilMs;
    if (isBelieved) return known.bearer;
    this.#believed.delete(hash);
    const jose = await import("jose");
    const verdict = await this.#verify(jose, token, now);
    if (verdict.kind === "bearer") this.#believe(hash, verdict);
    return verdict;
  }

  async #verify(jose: Jose, token: string, now: number): Promise<TokenVerdict> {
    // Before anything is fetched: what is not pinned is not looked at.
    const algorithm = algorithmOf(jose, token);
    if (algorithm === null || !this.rules.algorithms.includes(algorithm)) {
      return refused(`it is signed with ${algorithm ?? "nothing"}, which is not accepted`);
    }
    const keys = await this.#keys.keys();
    if (keys === null) {
      return { kind: "unknown", message: "The keys of the token's issuer cannot be fetched" };
    }
    const first = await this.#check(jose, token, keys, now);
    if (typeof first !== "string") return first;
    // Whoever takes a new key may leave it the name of the old one, or names none.
    const fresh = await this.#keys.again(keys);
    const second = fresh === null ? first : await this.#check(jose, token, fresh, now);
    return typeof second === "string" ? refused(OTHER_KEY[second]) : second;
  }

  async #check(
    jose: Jose,
    token: string,
    keys: JSONWebKeySet,
    now: number,
  ): Promise<TokenVerdict | keyof typeof OTHER_KEY> {
    const { errors } = jose;
    try {
      return this.#bearerIn(await this.#payloadOf(jose, token, keys, now));
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return "no such key";
      if (error instanceof errors.JWTExpired) return refused("it has expired", true);
      if (error instanceof errors.JWTClaimValidationFailed) {
        return refused(`its claim ${error.claim} is not as it must be`);
      }
      if (error instanceof errors.JWSSignatureVerificationFailed) return "wrong signature";
      if (isUnusable(error)) return refused("its issuer's key for it cannot be used");
      // A header that asks for what is not known, a payload that is none.
      if (error instanceof errors.JOSEError) return refused("it cannot be read");
      throw error;
    }
  }

  async #payloadOf(
    jose: Jose,
    token: string,
    keys: JSONWebKeySet,
    now: number,
  ): Promise<JWTPayload> {
    const { issuer, audience, algorithms, clockToleranceS } = this.rules;
    const options = {
      issuer,
      audience: [...audience],
      algorithms: [...algorithms],
      clockTolerance: clockToleranceS,
      currentDate: new Date(now),
      requiredClaims: ["exp"],
    };
    try {
      return (await jose.jwtVerify(token, jose.createLocalJWKSet(keys), options)).payload;
    } catch (error) {
      if (!(error instanceof jose.errors.JWKSMultipleMatchingKeys)) throw error;
      // Without a name for its key, any of them may have signed it.
      for await (const key of error as AsyncIterable<CryptoKey>) {
        try {
          return (await jose.jwtVerify(token, key, options)).payload;
        } catch (other) {
          const isOther = other instanceof jose.errors.JWSSignatureVerificationFailed;
          if (!isOther && !isUnusable(other)) throw other;
        }
      }
      throw new jose.errors.JWSSignatureVerificationFailed();
    }
  }

  #bearerIn(payload: JWTPayload): TokenVerdict {
    const { rules } = this;
    const name = textAt(payload, rules.name);
    if (name === null) return refused(`its claim ${rules.name} names nobody`);
    const group = rules.group === null ? null : textAt(payload, rules.group);
    const untilMs = (Number(payload.exp) + rules.clockToleranceS) * 1000;
    return { kind: "bearer", name, group, untilMs };
  }

  #believe(hash: string, bearer: Bearer): void {
    // The oldest goes: a map keeps the order in which they came.
    if (this.#believed.size >= MAX_BELIEVED) {
      for (const [oldest] of this.#believed) {
        this.#believed.delete(oldest);
        break;
      }
    }
    this.#believed.set(hash, { bearer, until: this.parts.now() + BELIEVED_MS });
  }
}

function refused(why: string, isExpired = false): TokenVerdict {
  return { kind: "refused", message: `The token is refused: ${why}`, isExpired };
}

/** What a key that is none, too short or not public has jose or WebCrypto throw. */
function isUnusable(error: unknown): boolean {
  return error instanceof TypeError || error instanceof DOMException;
}

/** The algorithm that a token's head names; null where there is none, or it is `none`. */
function algorithmOf(jose: Jose, token: string): string | null {
  try {
    const { alg } = jose.decodeProtectedHeader(token);
    return typeof alg !== "string" || alg.toLowerCase() === "none" ? null : alg.slice(0, 20);
  } catch {
    // What has no head that can be read is signed with nothing.
    return null;
  }
}

/** The text of a claim: by its whole name, else by the parts of a path. Numbers count as text. */
function textAt(payload: JWTPayload, claim: string): string | null {
  let value: unknown = payload[claim];
  if (value === undefined) {
    value = claim.split(".").reduce<unknown>(
      (inside, part) =>
        typeof inside === "object" && inside !== null && Object.hasOwn(inside, part)
          ? (inside as Record<string, unknown>)[part]
          : undefined,
      payload,
    );
  }
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string" || text === "" || text.length > MAX_NAME_CHARS) return null;
  // It will stand in logs and metrics.
  return /[\p{Cc}\p{Cs}\u2028\u2029]/u.test(text) ? null : text;
}
