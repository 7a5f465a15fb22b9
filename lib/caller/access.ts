// Who is calling, by one configuration: keys looked up by their hash, so that the time a look-up takes tells
// nothing. What the caller may use then is told by caller.ts, how much by limits.ts.

import type { CallersConfig, KeyConfig } from "../config/access.ts";
import type { ClientRequest } from "../http/client.ts";
import { pathOf } from "../http/message.ts";
import { Caller, groupScope } from "./caller.ts";
import { keyIn } from "./credentials.ts";
import { Tokens, type TokenVerdict } from "./jwt/tokens.ts";
import { formOf, hashOfKey, struck } from "./key.ts";
import { Refusal } from "./refusal.ts";
import { Scope, type ScopeKind } from "./scope.ts";

/** One key that opens, and until when (milliseconds since 1970). */
interface Entry {
  readonly caller: Caller;
  readonly untilMs: number | null;
}

/** Bearers of tokens that are remembered by name. */
const MAX_BEARERS = 10_000;
const MADE_BY = "Keys are made with `simple-ai-gateway keys create`.";

export class Access {
  readonly #byHash = new Map<string, Entry>();
  /**
   * The same by the key, of keys that were brought before: no more than there are hashes. A hash for each request
   * leaves an object outside of V8's heap behind, which every young collection has to look at.
   */
  readonly #seen = new Map<string, Entry>();
  readonly #byName = new Map<string, Caller>();
  readonly #models = new Map<string, Scope>();
  /** Callers that no key of the configuration is named after. */
  readonly #bearers = new Map<string, Caller>();

  constructor(
    readonly config: CallersConfig,
    /** null where no tokens are taken. */
    private readonly tokens: Tokens | null,
  ) {
    for (const key of config.keys) {
      const caller = this.#callerOf(key);
      this.#byName.set(key.name, caller);
      for (const { hash, untilMs } of key.hashes) this.#byHash.set(hash, { caller, untilMs });
    }
    for (const [model, rates] of Object.entries(config.models)) {
      this.#models.set(model, new Scope("model", model, rates, []));
    }
  }

  /**
   * Who brings this request; at once but for tokens. `wallMs`: milliseconds since 1970. Throws, or rejects with,
   * Refusal (401, 403, 503).
   */
  identify(client: ClientRequest, wallMs: number): Caller | Promise<Caller> {
    const key = keyIn(client);
    if (key !== null && this.tokens !== null && Tokens.isOne(key)) {
      return this.#bearerOf(this.tokens, key, client, wallMs);
    }
    const caller = key === null ? this.#withoutKey() : this.#holderOf(key, wallMs);
    this.#examine(caller, client, wallMs);
    return caller;
  }

  async #bearerOf(
    tokens: Tokens,
    token: string,
    client: ClientRequest,
    wallMs: number,
  ): Promise<Caller> {
    const caller = this.#bearer(await tokens.bearerOf(token));
    this.#examine(caller, client, wallMs);
    return caller;
  }

  /** The caller of this name; null where a reload has taken it away. */
  named(name: string): Caller | null {
    return this.#byName.get(name) ?? null;
  }

  /** Who `caller` of an earlier configuration is by this one; the same who is none of it. */
  successorOf(caller: Caller): Caller {
    const named = this.#byName.get(caller.name);
    if (named !== undefined) return named;
    const isBearer = caller.key.hashes.length === 0 && this.tokens !== null;
    return isBearer ? this.#bearerNamed(caller.name, caller.group?.name ?? null) : caller;
  }

  /** What is counted under this name; null where the configuration has none, and no token can have it. */
  scope(kind: ScopeKind, name: string): Scope | null {
    const { groups } = this.config;
    switch (kind) {
      case "model":
        return this.#models.get(name) ?? null;
      case "group":
        // Its members may be known by tokens alone.
        return Object.hasOwn(groups, name) ? groupScope(groups[name]) : null;
      case "key": {
        const caller = this.#byName.get(name);
        if (caller !== undefined) return caller.scopes[0];
        // A token may have come to any worker, and any name may stand in one.
        return this.tokens === null ? null : new Caller(this.#keyFor(name, null), null).scopes[0];
      }
    }
  }

  get callers(): Iterable<Caller> {
    return this.#byName.values();
  }

  /** Whose counters a request of `caller` for `model` passes. */
  scopesOf(caller: Caller, model: string | null): readonly Scope[] {
    const scope = model === null ? undefined : this.#models.get(model);
    return scope === undefined ? caller.scopes : [...caller.scopes, scope];
  }

  #callerOf(key: KeyConfig): Caller {
    return new Caller(key, key.group === null ? null : this.config.groups[key.group] ?? null);
  }

  #withoutKey(): Caller {
    const { withoutKey } = this.config;
    const caller = withoutKey === null ? undefined : this.#byName.get(withoutKey);
    if (caller !== undefined) return caller;
    throw new Refusal({
      status: 401,
      reason: "missing_api_key",
      message: `No API key provided; expected \`Authorization: Bearer\` and a key. ${MADE_BY}`,
    });
  }

  #holderOf(key: string, wallMs: number): Caller {
    const entry = this.#seen.get(key) ?? this.#byHash.get(hashOfKey(key));
    if (entry !== undefined) this.#seen.set(key, entry);
    if (entry !== undefined && (entry.untilMs === null || wallMs < entry.untilMs)) {
      return entry.caller;
    }
    const hint = formOf(key) === "mistyped" ? "It is mistyped or cut short." : MADE_BY;
    throw new Refusal({
      status: 401,
      reason: "invalid_api_key",
      message: `Incorrect API key provided: ${struck(key)}. ${hint}`,
    });
  }

  #bearer(verdict: TokenVerdict): Caller {
    switch (verdict.kind) {
      case "unknown":
        throw new Refusal({
          status: 503,
          reason: "token_keys",
          message: verdict.message,
          waitMs: 1000,
        });
      case "refused":
        throw new Refusal({
          status: 401,
          reason: verdict.isExpired ? "token_expired" : "invalid_token",
          message: verdict.message,
        });
    }
    const { name, group } = verdict;
    return this.#byName.get(name) ?? this.#bearerNamed(name, group);
  }

  #bearerNamed(name: string, group: string | null): Caller {
    const id = JSON.stringify([name, group]);
    const known = this.#bearers.get(id);
    if (known !== undefined) return known;
    const caller = this.#callerOf(this.#keyFor(name, group));
    if (this.#bearers.size >= MAX_BEARERS) {
      this.#bearers.delete(this.#bearers.keys().next().value!);
    }
    this.#bearers.set(id, caller);
    return caller;
  }

  /** What a bearer may do whom no key of the configuration is named after. */
  #keyFor(name: string, group: string | null): KeyConfig {
    const { defaults, groups } = this.config;
    return {
      name,
      hashes: [],
      group: group !== null && Object.hasOwn(groups, group) ? group : null,
      models: [],
      routes: [],
      allowAddresses: [],
      priority: null,
      record: true,
      expiresMs: null,
      disabled: false,
      note: "",
      ...defaults,
    };
  }

  #examine(caller: Caller, { target, remoteAddress }: ClientRequest, wallMs: number): void {
    const { expiresMs, disabled, name } = caller.key;
    const path = pathOf(target);
    if (disabled !== false) throw forbidden("key_disabled", `Key \`${name}\` is disabled.`);
    if (expiresMs !== null && wallMs >= expiresMs) {
      const since = new Date(expiresMs).toISOString();
      throw forbidden("key_expired", `Key \`${name}\` has expired (${since}).`);
    }
    if (!caller.mayComeFrom(remoteAddress)) {
      throw forbidden("address", `Key \`${name}\` may not be used from this address.`);
    }
    if (!caller.mayAsk(path)) {
      throw forbidden("route", `Key \`${name}\` may not ask ${path.slice(0, 200)}.`);
    }
  }
}

type Forbidden = "key_disabled" | "key_expired" | "address" | "route";

function forbidden(reason: Forbidden, message: string): Refusal {
  return new Refusal({ status: 403, reason, message });
}
