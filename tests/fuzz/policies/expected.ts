// What policies on words must come to, found the plain way: every phrase at every place of the text as it is
// compared. Slow, short, and without an automaton.

import type { Written } from "./generate.ts";

export type Action = "cut" | "mask" | "replace";

/** Phrases that overlap, as one: [start, end) of the text as it is written. */
interface Group {
  readonly start: number;
  readonly end: number;
}

/** What a client may have of a text so far. */
export interface Shown {
  readonly text: string;
  /** The answer has ended there. */
  readonly isCut: boolean;
}

export class Expected {
  readonly #byBeginning = new Map<string, string[]>();
  readonly #prefixes = new Set<string>();
  #longest = 0;

  constructor(list: readonly string[], readonly replacement: string) {
    for (const phrase of list) {
      const key = phrase.slice(0, 2);
      const known = this.#byBeginning.get(key);
      if (known === undefined) this.#byBeginning.set(key, [phrase]);
      else known.push(phrase);
      for (let i = 1; i < phrase.length; i++) this.#prefixes.add(phrase.slice(0, i));
      this.#longest = Math.max(this.#longest, phrase.length);
    }
  }

  /** Of the whole text. */
  whole(text: Written, action: Action): Shown {
    return this.#shown(text, this.groups(text), action, text.raw.length);
  }

  /**
   * After the first `came` units of `raw`, of which the client can have what lies before one of the
   * `boundaries`: events are not divided.
   */
  soFar(text: Written, action: Action, came: number, boundaries: readonly number[]): Shown {
    const part = until(text, came);
    const groups = this.groups(part);
    const limit = this.#limit(part, groups);
    if (action === "cut" && groups.length > 0 && groups[0].end <= limit) {
      return { text: text.raw.slice(0, groups[0].start), isCut: true };
    }
    const boundary = boundaries.findLast((one) => one <= limit) ?? 0;
    return this.#shown(part, groups.filter(({ end }) => end <= limit), action, boundary);
  }

  /** All that is found, what overlaps made one. */
  groups({ plain, starts, ends }: Written): Group[] {
    const groups: { start: number; end: number }[] = [];
    for (let at = 0; at < plain.length; at++) {
      for (const phrase of this.#byBeginning.get(plain.slice(at, at + 2)) ?? []) {
        if (!plain.startsWith(phrase, at)) continue;
        const found = { start: starts[at], end: ends[at + phrase.length - 1] };
        const last = groups.at(-1);
        if (last !== undefined && found.start < last.end) last.end = Math.max(last.end, found.end);
        else groups.push(found);
      }
    }
    return groups;
  }

  /** From where on something may still begin, or become more. */
  #limit({ raw, plain, starts }: Written, groups: readonly Group[]): number {
    let limit = raw.length;
    for (let length = Math.min(this.#longest, plain.length); length > 0; length--) {
      if (!this.#prefixes.has(plain.slice(plain.length - length))) continue;
      limit = starts[plain.length - length];
      break;
    }
    const open = groups.find(({ end }) => end > limit);
    return open === undefined ? limit : Math.min(limit, open.start);
  }

  #shown({ raw }: Written, groups: readonly Group[], action: Action, end: number): Shown {
    let text = "";
    let at = 0;
    for (const group of groups) {
      if (group.start >= end) break;
      text += raw.slice(at, group.start);
      if (action === "cut") return { text, isCut: true };
      const found = [...raw.slice(group.start, group.end)].length;
      text += action === "mask" ? "*".repeat(found) : this.replacement;
      at = group.end;
    }
    return { text: text + (at < end ? raw.slice(at, end) : ""), isCut: false };
  }
}

/** The first `came` units. */
function until({ raw, plain, starts, ends }: Written, came: number): Written {
  let count = starts.length;
  while (count > 0 && ends[count - 1] > came) count--;
  return {
    raw: raw.slice(0, came),
    plain: plain.slice(0, count),
    starts: starts.slice(0, count),
    ends: ends.slice(0, count),
  };
}
