// Who asks, as a request carries it: what it may use, and whose counters it passes.

import type { GroupConfig, KeyConfig } from "../config/access.ts";
import { AddressList } from "./address/address_list.ts";
import { Scope } from "./scope.ts";
import { matches } from "../config/names.ts";

/** A key's name, or the one that a token stands for. Made once for a snapshot. */
export class Caller {
  /** The key's and the group's. */
  readonly scopes: readonly Scope[];
  readonly #addresses: AddressList | null;

  constructor(
    /** The token's own name where it is none of the configuration. */
    readonly key: KeyConfig,
    readonly group: GroupConfig | null,
  ) {
    const own = new Scope("key", key.name, key.limits, key.budgets);
    this.scopes = group === null ? [own] : [own, groupScope(group)];
    const { allowAddresses } = key;
    this.#addresses = allowAddresses.length === 0 ? null : new AddressList(allowAddresses);
  }

  get name(): string {
    return this.key.name;
  }

  /** Of a request that asks for `wish`; null where it asks for none. A key's own is the highest it may have. */
  priority(wish: number | null): number {
    const highest = this.key.priority ?? this.group?.priority ?? 0;
    return wish === null ? highest : Math.min(wish, highest);
  }

  /** `address` is "" where nobody knows it. */
  mayComeFrom(address: string): boolean {
    return this.#addresses === null || this.#addresses.has(address);
  }

  mayUse(model: string): boolean {
    const { models } = this.key;
    return models.length === 0 || models.some((pattern) => matches(pattern, model));
  }

  mayAsk(path: string): boolean {
    const { routes } = this.key;
    return routes.length === 0 || routes.some((pattern) => matches(pattern, path));
  }
}

/** What all keys of a group have in common. */
export function groupScope({ name, limits, budgets }: GroupConfig): Scope {
  return new Scope("group", name, limits, budgets);
}
