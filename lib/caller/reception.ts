// Where requests of callers are received, in one isolate: who is calling by the configuration in force, and
// what outlives configurations (counters, estimates, the ledger).

import type { CallersConfig, SharedStateConfig } from "../config/access.ts";
import type { ClientRequest } from "../http/client.ts";
import { Roll } from "../http/roll.ts";
import { Access } from "./access.ts";
import type { Caller } from "./caller.ts";
import { Tokens } from "./jwt/tokens.ts";
import { Limits, type LimitsParts } from "./limits.ts";
import type { ScopeKind } from "./scope.ts";
import { Ledger } from "./usage/ledger.ts";
import { Prices } from "./usage/price.ts";
import type { UsageMemory } from "./usage/usage_memory.ts";
import { type House, type QueueRules, Visit } from "./visit.ts";

/** Keys whose requests under way are shown. */
const MAX_SHOWN = 1000;

export interface ReceptionParts extends LimitsParts {
  readonly usage: UsageMemory;
  /** Something is not as it should be, which no request fails for. */
  onError(message: string): void;
}

export class Reception {
  readonly limits: Limits;
  readonly ledger: Ledger;
  /** Who may ask; null where anyone may. */
  access: Access | null = null;
  #shared = { rules: "", close: () => {} };
  readonly #visits = new Roll<Visit>();
  #tokens: { tokens: Tokens; rules: string } | null = null;

  /** What all visits that are opened have in common. */
  #house: House;

  constructor(private readonly parts: ReceptionParts) {
    this.limits = new Limits(parts);
    this.ledger = new Ledger(parts.usage, "UTC", () => parts.wallMs());
    this.#house = this.#houseWith(new Prices({}));
  }

  /** The next configuration; requests under way keep theirs. */
  apply(config: CallersConfig | null): void {
    if (config === null) {
      this.access = null;
      this.limits.lines.changed();
      return;
    }
    this.ledger.apply(config.timeZone);
    this.#house = this.#houseWith(new Prices(config.prices));
    this.access = new Access(config, this.#tokensBy(config));
    for (const visit of [...this.#visits.all]) {
      if (this.access.named(visit.caller.name)?.key.disabled === "now") visit.cut();
    }
    this.limits.lines.changed();
  }

  /** Requests under way over all workers, by key. */
  inFlight(): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const { name, scopes: [scope] } of this.access?.callers ?? []) {
      if (found.size === MAX_SHOWN) break;
      found.set(name, this.limits.inFlight(scope));
    }
    return found;
  }

  /** Fills up what is limited for this name; false where nothing is. */
  async reset(kind: ScopeKind, name: string): Promise<boolean> {
    const scope = this.access?.scope(kind, name) ?? null;
    if (scope === null) return false;
    await this.limits.counters.reset(scope);
    return true;
  }

  /** Limits are kept by this server from now on, over several gateways; by this process alone for null. */
  share(config: SharedStateConfig | null): void {
    const rules = config === null ? "" : JSON.stringify(config);
    if (rules === this.#shared.rules) return;
    this.#shared.close();
    this.#shared = { rules, close: config === null ? () => {} : this.limits.share(config) };
  }

  /** Opens the visit of a request. Throws, or rejects with, Refusal for a caller who may not come in. */
  receive(
    access: Access,
    client: ClientRequest,
    queue: QueueRules,
  ): Visit | Promise<Visit> {
    const found = access.identify(client, this.parts.wallMs());
    return found instanceof Promise
      ? this.#openFor(found, access, client, queue)
      : this.#open(found, access, client, queue);
  }

  async #openFor(
    caller: Promise<Caller>,
    access: Access,
    client: ClientRequest,
    queue: QueueRules,
  ): Promise<Visit> {
    let [found, rules] = [await caller, access];
    // While the signer of a token was asked for his keys, this one may have lost his.
    while (this.access !== null && this.access !== rules) {
      rules = this.access;
      found = await rules.identify(client, this.parts.wallMs());
    }
    return this.#open(found, rules, client, queue);
  }

  #open(
    caller: Caller,
    access: Access,
    client: ClientRequest,
    queue: QueueRules,
  ): Visit {
    const visit = new Visit(caller, access, client, queue, this.#house);
    this.#visits.add(visit);
    return visit;
  }

  #houseWith(prices: Prices): House {
    return {
      limits: this.limits,
      ledger: this.ledger,
      prices,
      inForce: () => this.access,
      onEnd: (visit) => this.#visits.remove(visit),
    };
  }

  close(): void {
    this.#shared.close();
    this.limits.close();
    this.ledger.close();
  }

  /** Tokens that were good are kept while the rules stay the same, keys of the signer while it does. */
  #tokensBy({ jwt }: CallersConfig): Tokens | null {
    if (jwt === null) {
      this.#tokens = null;
      return null;
    }
    const rules = JSON.stringify(jwt);
    if (this.#tokens?.rules !== rules) {
      const { now, wallMs, onError } = this.parts;
      const before = this.#tokens?.tokens ?? null;
      const tokens = new Tokens(jwt, { now, wallClock: wallMs, fetch, onError }, before);
      this.#tokens = { tokens, rules };
    }
    return this.#tokens.tokens;
  }
}
