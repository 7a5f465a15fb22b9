// Makes the automaton of word lists, in steps between which others may run: 100,000 lines take longer than
// anybody who is served meanwhile should wait.

import { type Alphabet, EXPANDED } from "./alphabet.ts";
import {
  Automaton,
  childOf,
  HOLDS,
  HOLDS_WORDS,
  NONE,
  type Phrases,
  type States,
} from "./automaton.ts";
import { atOnce } from "./steps.ts";

/** Phrases or states for one step. */
const STEP = 2048;
/** Numbers in all rows: 8 MB. */
const MAX_ROWS = 2 << 20;
/** States with fewer edges need no row. */
const MANY = 4;

/** Makes it at once. */
export function automatonOf(lists: readonly Phrases[], alphabet: Alphabet): Automaton {
  return atOnce(automatonInSteps(lists, alphabet));
}

/** The same, step by step. */
export function* automatonInSteps(
  lists: readonly Phrases[],
  alphabet: Alphabet,
): Generator<void, Automaton> {
  const entries = yield* plainEntries(lists, alphabet);
  const trie = new Trie(entries.reduce((sum, { plain }) => sum + plain.length, 1));
  for (let at = 0; at < entries.length; at++) {
    trie.add(entries[at]);
    if (at % STEP === STEP - 1) yield;
  }
  const states = yield* numbered(trie);
  yield* linked(states);
  yield* withRows(states, trie.symbols.size + 1);
  yield;
  const symbols = alphabet.units.map((unit) =>
    unit >= EXPANDED ? unit : trie.symbols.get(unit) ?? NONE
  );
  return new Automaton(alphabet, trie.symbols, symbols, states, trie.sets, trie.longest);
}

interface Entry {
  readonly plain: string;
  readonly owner: number;
  readonly holds: number;
}

function* plainEntries(
  lists: readonly Phrases[],
  alphabet: Alphabet,
): Generator<void, Entry[]> {
  const entries: Entry[] = [];
  let count = 0;
  for (const { phrases, owner, holds: isHeld, wholeWords = false } of lists) {
    const holds = !isHeld ? 0 : wholeWords ? HOLDS_WORDS : HOLDS;
    for (const phrase of phrases) {
      for (const plain of formsOf(phrase, alphabet)) entries.push({ plain, owner, holds });
      if (++count % STEP === 0) yield;
    }
  }
  return entries;
}

/** A phrase as it is compared, composed and in parts where that differs. */
function formsOf(phrase: string, alphabet: Alphabet): Set<string> {
  const forms = [phrase.normalize("NFC"), phrase.normalize("NFD")].map((one) =>
    alphabet.plain(one)
  );
  return new Set(forms.filter((one) => one !== "" && one.length < 4096));
}

/** Phrases by their beginnings, in the order in which they came. */
class Trie {
  count = 1;
  longest = 0;
  /** Symbols by unit, from 1 on. */
  readonly symbols = new Map<number, number>();
  readonly symbol: Uint16Array;
  readonly depth: Uint16Array;
  readonly set: Uint16Array;
  readonly holds: Uint8Array;
  /** The child that came last, and the one that came before each. */
  readonly lastChild: Int32Array;
  readonly sibling: Int32Array;
  readonly sets: number[][] = [[]];
  readonly #setIds = new Map<string, number>();
  /** Edges by state and symbol, with open addressing. */
  readonly #from: Int32Array;
  readonly #by: Uint16Array;
  readonly #to: Int32Array;
  readonly #mask: number;

  /** `most` is how many states there may be. */
  constructor(most: number) {
    this.symbol = new Uint16Array(most);
    this.depth = new Uint16Array(most);
    this.set = new Uint16Array(most);
    this.holds = new Uint8Array(most);
    this.lastChild = new Int32Array(most);
    this.sibling = new Int32Array(most);
    let size = 1024;
    while (size < most * 2) size *= 2;
    this.#mask = size - 1;
    this.#from = new Int32Array(size).fill(-1);
    this.#by = new Uint16Array(size);
    this.#to = new Int32Array(size);
  }

  add({ plain, owner, holds }: Entry): void {
    let state = 0;
    for (let i = 0; i < plain.length; i++) {
      this.holds[state] |= holds;
      state = this.#child(state, this.#symbolOf(plain.charCodeAt(i)), i + 1);
    }
    if (plain.length > this.longest) this.longest = plain.length;
    this.set[state] = this.#setWith(this.set[state], owner);
  }

  #symbolOf(unit: number): number {
    let symbol = this.symbols.get(unit);
    if (symbol === undefined) this.symbols.set(unit, symbol = this.symbols.size + 1);
    return symbol;
  }

  #child(state: number, symbol: number, depth: number): number {
    let slot = hash(state, symbol) & this.#mask;
    for (; this.#from[slot] >= 0; slot = (slot + 1) & this.#mask) {
      if (this.#from[slot] === state && this.#by[slot] === symbol) return this.#to[slot];
    }
    const child = this.count++;
    this.#from[slot] = state;
    this.#by[slot] = symbol;
    this.#to[slot] = child;
    this.symbol[child] = symbol;
    this.depth[child] = depth;
    this.sibling[child] = this.lastChild[state];
    this.lastChild[state] = child;
    return child;
  }

  /** The number of the set that `set` becomes with `owner` in it. */
  #setWith(set: number, owner: number): number {
    const { sets } = this;
    if (sets[set].includes(owner)) return set;
    const next = [...sets[set], owner].sort((a, b) => a - b);
    const key = next.join();
    let id = this.#setIds.get(key);
    if (id === undefined) {
      this.#setIds.set(key, id = sets.length);
      sets.push(next);
    }
    return id;
  }
}

function hash(state: number, symbol: number): number {
  const mixed = Math.imul(state, 0x9e3779b1) ^ Math.imul(symbol, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** States in the order of their depth, siblings together. */
function* numbered(trie: Trie): Generator<void, Mutable<States>> {
  const { count } = trie;
  const states = {
    first: new Int32Array(count + 1),
    label: new Uint16Array(count),
    depth: new Uint16Array(count),
    fail: new Int32Array(count),
    set: new Uint16Array(count),
    ends: new Int32Array(count),
    shorter: new Int32Array(count),
    holds: new Uint8Array(count),
    held: new Uint16Array(count),
    row: new Int32Array(count).fill(-1),
    rows: new Int32Array(0),
  };
  /** The number that each had before. */
  const was = new Int32Array(count);
  let next = 1;
  for (let state = 0; state < count; state++) {
    const old = was[state];
    states.label[state] = trie.symbol[old];
    states.depth[state] = trie.depth[old];
    states.set[state] = trie.set[old];
    states.holds[state] = trie.holds[old];
    states.first[state] = next;
    const from = next;
    for (let child = trie.lastChild[old]; child !== 0; child = trie.sibling[child]) {
      was[next++] = child;
    }
    if (next - from > 1) was.subarray(from, next).sort((a, b) => trie.symbol[a] - trie.symbol[b]);
    if (state % STEP === STEP - 1) yield;
  }
  states.first[count] = next;
  return states;
}

/** Says of each state how the text goes on where none of its edges does, and what ends and is held there. */
function* linked(states: Mutable<States>): Generator<void, void> {
  const { first, label, depth, fail, set, ends, shorter, holds, held } = states;
  for (let parent = 0; parent < depth.length; parent++) {
    for (let state = first[parent]; state < first[parent + 1]; state++) {
      let to = 0;
      if (parent !== 0) {
        let from = fail[parent];
        to = childOf(states, from, label[state]);
        while (to === 0 && from !== 0) {
          from = fail[from];
          to = childOf(states, from, label[state]);
        }
      }
      fail[state] = to;
      shorter[state] = ends[to];
      ends[state] = set[state] !== 0 ? state : ends[to];
      held[state] = (holds[state] & HOLDS) !== 0 ? depth[state] : held[to];
    }
    if (parent % STEP === STEP - 1) yield;
  }
}

/** Gives rows to the states with many edges, the shallow ones first, as far as there is room. */
function* withRows(states: Mutable<States>, width: number): Generator<void, void> {
  const { first, fail, row, label } = states;
  const chosen: number[] = [0];
  row[0] = 0;
  const most = Math.max(1, Math.floor(MAX_ROWS / width));
  for (let state = 1; state < row.length && chosen.length < most; state++) {
    if (first[state + 1] - first[state] < MANY || row[fail[state]] < 0) continue;
    row[state] = chosen.length * width;
    chosen.push(state);
    if (state % (STEP * 8) === 0) yield;
  }
  const rows = new Int32Array(chosen.length * width);
  for (const [at, state] of chosen.entries()) {
    const begin = at * width;
    if (state !== 0) rows.copyWithin(begin, row[fail[state]], row[fail[state]] + width);
    for (let child = first[state]; child < first[state + 1]; child++) {
      rows[begin + label[child]] = child;
    }
    if (at % 64 === 63) yield;
  }
  states.rows = rows;
}
