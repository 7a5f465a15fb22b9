// Reads one text by a set of rules as it comes, in whatever pieces: tells up to where nothing will change
// any more, and what changes there are until there. The outcome is the same however the text was cut.

import { isWordUnit } from "./alphabet.ts";
import { DROPPED, EXPANDED, HOLDS_WORDS, NONE } from "./automaton.ts";
import type { Edit } from "./edits.ts";
import { Escapes } from "./escapes.ts";
import { type Found, RunTracker } from "./finder.ts";
import { acts, type TextRule, type TextRules } from "./rules.ts";

interface Mark extends Found {
  readonly rule: TextRule;
}

export class Reading {
  /** Units that came. */
  length = 0;
  /** Up to here nothing changes any more. */
  settled = 0;
  /** Changes before `settled` that nobody has taken yet, in their order. */
  edits: Edit[] = [];
  /** Where the text is cut; nothing behind it may be shown. -1 for nowhere. */
  cutAt = -1;
  /** The rule that cuts it. */
  cutBy: TextRule | null = null;
  /** The text from `#base` on, as far as something of it is not settled. */
  #text = "";
  #base = 0;
  #state = 0;
  /** Place of each of the last symbols, and whether a word goes on into it. */
  readonly #places: Int32Array;
  readonly #inWord: Uint8Array;
  #symbols = 0;
  #afterWord = 0;
  /** Matches of whole words at the very end: the next unit decides. */
  #undecided: Mark[] = [];
  /** Matches that are not settled. */
  #marks: Mark[] = [];
  readonly #trackers: readonly RunTracker[];
  /** null for a text that is no JSON. */
  readonly #escapes: Escapes | null;
  readonly #hasWords: boolean;
  /** Whether some rule changes what it looks at. */
  readonly #acts: boolean;

  constructor(
    private readonly rules: TextRules,
    /** Whether the text is JSON, in which escapes stand for characters. */
    private readonly isJson: boolean,
    private readonly onHit: (rule: TextRule) => void,
  ) {
    this.#escapes = isJson ? new Escapes() : null;
    this.#acts = rules.rules.some(acts);
    this.#hasWords = rules.rules.some(({ wholeWords }) => wholeWords);
    let size = 16;
    while (size < (rules.automaton?.longest ?? 0) + 2) size *= 2;
    this.#places = new Int32Array(size);
    this.#inWord = new Uint8Array(size);
    this.#trackers = rules.runs.map((kind) =>
      new RunTracker(kind, (found) => {
        const rule = rules.rules[found.owner];
        this.#mark({ ...found, rule });
      })
    );
  }

  /** Takes the next piece. */
  take(piece: string): void {
    if (this.cutAt >= 0) {
      this.length += piece.length;
      return;
    }
    this.#begin();
    const escapes = this.#escapes;
    for (let i = 0; i < piece.length; i++) {
      const at = this.length++;
      const unit = piece.charCodeAt(i);
      if (escapes === null) this.#unit(unit, at, at + 1);
      else {
        const meant = escapes.take(unit, at);
        if (meant >= 0) this.#unit(meant, escapes.from, at + 1);
      }
    }
    const limit = this.#limit();
    if (limit < this.length || this.#marks.length > 0) this.#text += piece;
    this.#settle(limit);
  }

  /** The same for the first `count` of `units`, without a string where none is needed. */
  takeUnits(units: Uint16Array, count: number): void {
    const { automaton } = this.rules;
    const isPlain = automaton !== null && !this.isJson && !this.#hasWords && this.cutAt < 0 &&
      this.#trackers.length === 0;
    if (!isPlain) return this.take(textOf(units, count));
    this.#begin();
    const { symbols, states: { row, rows, ends } } = automaton;
    const places = this.#places;
    let state = this.#state;
    for (let i = 0; i < count; i++) {
      const unit = units[i];
      const symbol = symbols[unit];
      const at = this.length++;
      if (symbol === NONE) state = 0;
      else if (symbol === EXPANDED) {
        this.#state = state;
        this.#unit(unit, at, at + 1);
        state = this.#state;
      } else if (symbol !== DROPPED) {
        const next = row[state];
        state = next >= 0 ? rows[next + symbol] : automaton.step(state, symbol);
        if (state === 0) continue;
        places[this.#symbols++ & (places.length - 1)] = at;
        if (ends[state] !== 0) this.#ended(ends[state], at + 1);
      }
    }
    this.#state = state;
    const limit = this.#limit();
    if (limit < this.length || this.#marks.length > 0) this.#text += textOf(units, count);
    this.#settle(limit);
  }

  /** Where all is settled, what came before is nobody's any more. */
  #begin(): void {
    if (this.settled < this.length || this.#base === this.length) return;
    this.#text = "";
    this.#base = this.length;
  }

  /** All of it may be shown as it came, and nothing waits. */
  get isSettled(): boolean {
    return this.settled === this.length && this.cutAt < 0 && this.edits.length === 0;
  }

  /** The text has ended, or nothing of it will be waited for. */
  end(): void {
    if (this.cutAt >= 0) return;
    const escapes = this.#escapes;
    const last = escapes?.end() ?? -1;
    if (last >= 0) this.#unit(last, escapes!.from, this.length);
    for (const tracker of this.#trackers) tracker.end();
    for (const mark of this.#undecided) this.#mark(mark);
    this.#undecided = [];
    this.#state = 0;
    this.#afterWord = 0;
    this.#settle(this.length);
  }

  /** Cuts the text where it is no longer settled: it cannot be waited for what it becomes. */
  giveUp(): void {
    const rule = this.rules.rules.find(acts);
    if (rule === undefined) return this.end();
    if (this.cutAt >= 0) return;
    this.onHit(rule);
    this.cutAt = this.settled;
    this.cutBy = rule;
    this.#marks = [];
  }

  /** Who shows the text has shown it up to here. */
  shown(until: number): void {
    if (this.edits.length > 0) {
      this.edits = this.edits.filter(({ end, start }) => end > until || start >= until);
    }
    const drop = Math.min(until, this.settled) - this.#base;
    if (drop < 1024) return;
    this.#text = this.#text.slice(drop);
    this.#base += drop;
  }

  /** The unit that stands at [from, to). */
  #unit(unit: number, from: number, to: number): void {
    const { automaton } = this.rules;
    for (const tracker of this.#trackers) tracker.take(unit, from);
    if (automaton === null) return;
    const symbol = automaton.symbols[unit];
    if (symbol === DROPPED) return;
    if (this.#undecided.length > 0) this.#decide(unit);
    if (symbol === EXPANDED) {
      for (const one of automaton.expansion(unit)) this.#symbol(one, from, to);
    } else if (symbol === NONE) this.#state = 0;
    else this.#symbol(symbol, from, to);
    this.#afterWord = this.#hasWords ? Number(isWordUnit(unit)) : 0;
  }

  #symbol(symbol: number, from: number, to: number): void {
    const automaton = this.rules.automaton!;
    const state = this.#state = symbol === NONE ? 0 : automaton.step(this.#state, symbol);
    if (state === 0) return;
    const slot = this.#symbols++ & (this.#places.length - 1);
    this.#places[slot] = from;
    this.#inWord[slot] = this.#afterWord;
    const ending = automaton.states.ends[state];
    if (ending !== 0) this.#ended(ending, to);
  }

  /** Phrases end at `to`: that of the state `longest`, and those that it ends with. */
  #ended(longest: number, to: number): void {
    const { states: { depth, set, shorter }, owners } = this.rules.automaton!;
    for (let ending = longest; ending !== 0; ending = shorter[ending]) {
      const first = this.#slotBack(depth[ending]);
      const found = { start: this.#places[first], end: to, kind: "words" };
      for (const owner of owners[set[ending]]) {
        const rule = this.rules.rules[owner];
        const mark = { ...found, owner, rule };
        if (!rule.wholeWords) this.#mark(mark);
        else if (this.#inWord[first] === 0) this.#undecided.push(mark);
      }
    }
  }

  /** The slot of the symbol that is the `count`-th from the end. */
  #slotBack(count: number): number {
    return (this.#symbols - count) & (this.#places.length - 1);
  }

  /** Whole words have ended where no letter follows. */
  #decide(next: number): void {
    if (!isWordUnit(next)) { for (const mark of this.#undecided) this.#mark(mark); }
    this.#undecided = [];
  }

  #mark(mark: Mark): void {
    if (acts(mark.rule)) this.#marks.push(mark);
    else this.onHit(mark.rule);
  }

  /** From where on the text may still begin something that is acted on. */
  #limit(): number {
    const { automaton } = this.rules;
    const escapeAt = this.#escapes?.begunAt ?? -1;
    let limit = escapeAt < 0 || !this.#acts ? this.length : escapeAt;
    const held = automaton === null ? 0 : automaton.states.held[this.#state];
    if (held > 0) limit = Math.min(limit, this.#places[this.#slotBack(held)]);
    if (this.#hasWords) limit = Math.min(limit, this.#wordFrom());
    for (const { start, rule } of this.#undecided) {
      if (acts(rule) && start < limit) limit = start;
    }
    for (const tracker of this.#trackers) limit = Math.min(limit, tracker.heldFrom(this.length));
    return limit;
  }

  /** From where on the text may still begin what counts as whole words alone. */
  #wordFrom(): number {
    if (this.rules.automaton === null) return this.length;
    const { holds, depth, fail } = this.rules.automaton.states;
    for (let state = this.#state; state !== 0; state = fail[state]) {
      if ((holds[state] & HOLDS_WORDS) === 0) continue;
      const first = this.#slotBack(depth[state]);
      if (this.#inWord[first] === 0) return this.#places[first];
    }
    return this.length;
  }

  /** Settles what lies before `limit`: matches that touch each other become one. */
  #settle(limit: number): void {
    const marks = this.#marks;
    if (marks.length === 0) {
      if (limit > this.settled) this.settled = limit;
      return;
    }
    if (marks.length > 1) marks.sort((a, b) => a.start - b.start || b.end - a.end);
    let from = 0;
    while (from < marks.length) {
      const first = marks[from];
      let { end } = first;
      let to = from + 1;
      while (to < marks.length && marks[to].start < end) end = Math.max(end, marks[to++].end);
      if (end > limit) {
        limit = Math.min(limit, first.start);
        break;
      }
      this.#change(marks.slice(from, to), first.start, end);
      from = to;
      if (this.cutAt >= 0) {
        this.#marks = [];
        this.settled = this.cutAt;
        return;
      }
    }
    if (from > 0) this.#marks = marks.slice(from);
    if (limit > this.settled) this.settled = limit;
  }

  #change(group: readonly Mark[], start: number, end: number): void {
    for (const { rule } of group) this.onHit(rule);
    const cut = group.find(({ rule }) => rule.action === "cut");
    if (cut !== undefined) {
      this.cutAt = start;
      this.cutBy = cut.rule;
      return;
    }
    const found = this.#text.slice(start - this.#base, end - this.#base);
    const plain = this.isJson ? decoded(found) : found;
    const first = group[0];
    const text = first.rule.action === "mask"
      ? masked(plain)
      : first.rule.replacement(plain, first.kind);
    this.edits.push({
      start,
      end,
      text: this.isJson ? JSON.stringify(text).slice(1, -1) : text,
    });
  }
}

function textOf(units: Uint16Array, count: number): string {
  let text = "";
  for (let i = 0; i < count; i++) text += String.fromCharCode(units[i]);
  return text;
}

/** A star for each character. */
function masked(text: string): string {
  return "*".repeat([...text].length);
}

function decoded(json: string): string {
  try {
    return JSON.parse(`"${json}"`);
  } catch {
    // More than the inside of one string: it is taken as it stands.
    return json;
  }
}
