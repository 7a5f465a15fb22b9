// Why a request went where it went, for its client, its record and its log line. Names and numbers only, no
// word of the prompt. Kept as long as the attempt is; the text is made when somebody wants it.

import type { Decision, Reason } from "./decision.ts";
import type { Candidate } from "./strategy.ts";

/**
 * As the router's reasons; stored: the instance keeps what the request refers to. fallback: no instance of
 * one's own could.
 */
export type Why = Reason | "stored" | "fallback";

/** Why it is placed where it is. */
export interface Choice {
  readonly by: Why;
  readonly among: number;
  readonly weighed: Weighed | null;
}

/** What the chosen one costs, in seconds, and of that behind others. */
export interface Weighed {
  readonly waitS: number;
  readonly costS: number;
  /** null where only the chosen one is told of. */
  readonly all: All | null;
}

/** All that was weighed. */
export interface All {
  readonly decision: Decision;
  readonly candidates: readonly (Candidate & { readonly name: string })[];
}

/** At most so many candidates are told. */
const MAX_TOLD = 16;

export class Receipt {
  /**
   * `hit` of the prompt's `of` tokens are taken to be cached at `instance`. `weighed` is null where there was
   * nothing to weigh.
   */
  constructor(
    readonly instance: string,
    readonly by: Why,
    readonly hit: number,
    readonly of: number,
    /** Instances that came into question. */
    readonly among: number,
    private readonly weighed: Weighed | null,
  ) {}

  /** A structured field (RFC 8941) of one member: the instance, and why. */
  short(attempt: number): string {
    const { weighed } = this;
    const about = `${named(this.instance)};by=${this.by};hit=${Math.round(this.hit)};of=${
      Math.round(this.of)
    }`;
    const costs = weighed === null
      ? ""
      : `;wait=${hundredths(weighed.waitS)};cost=${hundredths(weighed.costS)}`;
    return `${about}${costs};among=${this.among};attempt=${attempt}`;
  }

  /** A member for each candidate, the least cost first, as a list behind the one that was chosen. */
  full(attempt: number): string {
    const all = this.weighed?.all ?? null;
    if (all === null) return this.short(attempt);
    const { decision: { standings, costs, index }, candidates } = all;
    const others = candidates.map((_, at) => at).filter((at) => at !== index)
      .sort((a, b) => costs[a].seconds - costs[b].seconds).slice(0, MAX_TOLD - 1);
    const told = others.map((at) => {
      const { matched, backlog, speed, underWay } = standings[at];
      const parts = [named(candidates[at].name), `cost=${costs[at].seconds.toFixed(2)}`];
      parts.push(`hit=${Math.round(matched)}`, `wait=${(backlog / speed).toFixed(2)}`);
      parts.push(`n=${underWay}`, `v=${Math.round(speed)}`);
      if (costs[at].isOverBound) parts.push("left=bound");
      return parts.join(";");
    });
    return [this.short(attempt), ...told].join(", ");
  }
}

/** A token where the name is one, else a string; names have no quotes. */
function named(name: string): string {
  return /^[A-Za-z*][\w.:/+*-]*$/.test(name) ? name : `"${name}"`;
}

/** With two digits behind the point, as `toFixed` has them, which takes several times as long. */
function hundredths(value: number): string {
  const whole = Math.round(100 * value);
  const rest = whole % 100;
  return `${(whole - rest) / 100}.${rest < 10 ? "0" : ""}${rest}`;
}
