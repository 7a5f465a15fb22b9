// Which of the answers of a discovery count. The last good one is kept while there is none; one without any
// instance is not believed at once; and where answers may be parts of the truth, as those of name servers
// are, one that is missing for once is not gone.

import { keyOf, MAX_TARGETS, type Target } from "./target.ts";

export interface TrustRules {
  readonly keepEmptyS: number;
  /** Answers in a row without a target after which it is gone. */
  readonly misses: number;
}

interface Known {
  readonly target: Target;
  missed: number;
}

export class Trusted {
  /** In an order that does not depend on that of the answers. */
  #known = new Map<string, Known>();
  #emptySince: number | null = null;

  /** `now`: milliseconds of a clock that does not jump. */
  constructor(private readonly now: () => number) {}

  get targets(): readonly Target[] {
    return [...this.#known.values()].map(({ target }) => target);
  }

  /** When an answer without instances will be believed; null where none is waited out. */
  emptyAt({ keepEmptyS }: TrustRules): number | null {
    return this.#emptySince === null ? null : this.#emptySince + keepEmptyS * 1000;
  }

  /** Takes an answer; true where another set counts from now on. */
  take(answer: readonly Target[], rules: TrustRules): boolean {
    const next = new Map<string, Known>();
    const places = new Set<string>();
    for (const target of [...answer].sort(byPlace)) {
      // Two of one place: the first in their order is the one that counts.
      const place = placeKey(target);
      if (next.size === MAX_TARGETS || places.has(place)) continue;
      places.add(place);
      next.set(keyOf(target), { target, missed: 0 });
    }
    if (next.size === 0 && this.#known.size > 0) return this.#empty(rules);
    this.#emptySince = null;
    for (const [key, { target, missed }] of this.#known) {
      const isSpared = missed + 1 < rules.misses && !places.has(placeKey(target));
      if (isSpared && next.size < MAX_TARGETS) next.set(key, { target, missed: missed + 1 });
    }
    return this.#replace(next);
  }

  /** No answer, or none that can be read: one without instances waits for the next of its kind. */
  doubt(): void {
    this.#emptySince = null;
  }

  /** Looks whether the time of an answer without instances has come. */
  recheck(rules: TrustRules): boolean {
    return this.#emptySince !== null && this.#empty(rules);
  }

  #empty(rules: TrustRules): boolean {
    this.#emptySince ??= this.now();
    if (this.now() < this.emptyAt(rules)!) return false;
    this.#emptySince = null;
    return this.#replace(new Map());
  }

  #replace(next: Map<string, Known>): boolean {
    const sorted = new Map(
      [...next].sort(([, a], [, b]) => byPlace(a.target, b.target)),
    );
    const isSame = sorted.size === this.#known.size &&
      [...sorted.keys()].every((key) => this.#known.has(key));
    this.#known = sorted;
    return !isSame;
  }
}

function placeKey({ host, port, models }: Target): string {
  return `${host} ${port} ${models?.join(",") ?? ""}`;
}

function byPlace(a: Target, b: Target): number {
  const left = placeKey(a) + keyOf(a);
  const right = placeKey(b) + keyOf(b);
  return left < right ? -1 : left > right ? 1 : 0;
}
