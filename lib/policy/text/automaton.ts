// All phrases of all word lists as one automaton (Aho and Corasick, 1975) in typed arrays: one step a
// character, whatever the number of phrases. Its state says how much of the text so far may still be the
// beginning of a phrase. It is made in automaton_build.ts.

import { type Alphabet, DROPPED, EXPANDED } from "./alphabet.ts";

/** Phrases with what they belong to. */
export interface Phrases {
  readonly phrases: Iterable<string>;
  /** Number of what they belong to, from 0 on. */
  readonly owner: number;
  /** Whether text that may begin one must be held back. */
  readonly holds: boolean;
  /** Whether they only count as whole words, so that none begins within a word. */
  readonly wholeWords?: boolean;
}

/** No symbol of any phrase. */
export const NONE = 0;
/** Of a state: a phrase that holds text back goes on from here; one that does so as whole words. */
export const HOLDS = 1;
export const HOLDS_WORDS = 2;
/** So few edges of a state are looked at one after the other. */
const FEW = 8;

/**
 * States are numbered by depth, those of one parent beside each other and in the order of their symbols, so
 * that the few that texts are in most of the time lie close together.
 */
export interface States {
  /** The first child of each state; the next one's is its end. */
  readonly first: Int32Array;
  /** The symbol that leads to each state from its parent. */
  readonly label: Uint16Array;
  readonly depth: Uint16Array;
  /** The state of the longest end of the text that is another beginning. */
  readonly fail: Int32Array;
  /** Which set of owners has a phrase that ends here, 0 for none. */
  readonly set: Uint16Array;
  /** The longest state at which a phrase ends, the state itself included; 0 for none. */
  readonly ends: Int32Array;
  /** The same without the state itself. */
  readonly shorter: Int32Array;
  /** HOLDS, HOLDS_WORDS, both or neither. */
  readonly holds: Uint8Array;
  /** Symbols at the end of the text that may begin a phrase of HOLDS. */
  readonly held: Uint16Array;
  /** Where the row of a state begins in `rows`; -1 for none. */
  readonly row: Int32Array;
  /** Rows of next states, one for each symbol. */
  readonly rows: Int32Array;
}

export class Automaton {
  constructor(
    private readonly alphabet: Alphabet,
    private readonly plainSymbols: ReadonlyMap<number, number>,
    /** Symbol of each unit of a text: NONE, DROPPED, EXPANDED, or one of a phrase. */
    readonly symbols: Uint16Array,
    readonly states: States,
    /** Owners by the number of their set. */
    readonly owners: readonly (readonly number[])[],
    /** Length of the longest phrase, in symbols. */
    readonly longest: number,
  ) {}

  /** The state after `symbol`, which is one of a phrase. */
  step(state: number, symbol: number): number {
    const { row, rows, fail } = this.states;
    for (;;) {
      const at = row[state];
      if (at >= 0) return rows[at + symbol];
      const next = childOf(this.states, state, symbol);
      if (next !== 0) return next;
      state = fail[state];
    }
  }

  /** The symbols that a unit with the symbol EXPANDED stands for. */
  expansion(unit: number): number[] {
    const plain = this.alphabet.expansion(unit);
    return Array.from(plain, (_, at) => this.plainSymbols.get(plain.charCodeAt(at)) ?? NONE);
  }
}

/** The state that `symbol` leads to by an edge; 0 for none. */
export function childOf(
  { first, label }: Pick<States, "first" | "label">,
  state: number,
  symbol: number,
): number {
  let from = first[state];
  let to = first[state + 1];
  while (to - from > FEW) {
    const middle = (from + to) >>> 1;
    if (label[middle] <= symbol) from = middle;
    else to = middle;
  }
  for (; from < to; from++) if (label[from] === symbol) return from;
  return 0;
}

export { DROPPED, EXPANDED };
