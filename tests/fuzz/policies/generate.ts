// Phrases in two languages, and texts that hold them, begin them and nearly say them, written in every way
// that counts as the same. Each text comes with what it says plainly, so that nobody has to normalise it.

import type { Random } from "../random.ts";

const CONSONANTS = [..."bcdfghklmnprstvw"];
const VOWELS = [..."aeiou"];
/** Simplified and traditional. */
const PAIRS = [
  ..."国國学學门門说說话話钱錢车車东東马馬语語书書长長风風云雲电電气氣机機时時间間问問见見",
];
const TRADITIONAL = new Map(
  PAIRS.flatMap((one, at) => at % 2 === 0 ? [[one, PAIRS[at + 1]]] as [string, string][] : []),
);
const HAN = [
  ...TRADITIONAL.keys(),
  ..."的一是不了人我在有他这中大来上个到们为子和你地出道也年得就那要下以生会自着去之过家可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本",
];
const INVISIBLE = ["\u200b", "\u00ad", "\ufeff", "\u2060"];

/** A text as it is written, and unit for unit as it is compared. */
export interface Written {
  readonly raw: string;
  readonly plain: string;
  /** Where each unit of `plain` stands in `raw`. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

/** `count` different phrases, half of them Chinese; many begin, end or hold others. */
export function phrases(count: number, random: Random): string[] {
  const all = new Set<string>();
  const made: string[] = [];
  while (all.size < count) {
    const isChinese = all.size % 2 === 1;
    let phrase = isChinese
      ? han((random.once(20) ? 2 : 3) + random.below(4), random)
      : latin(1 + random.below(3), random);
    if (made.length > 0 && random.once(5)) {
      const other = random.pick(made);
      phrase = random.once(2)
        ? `${other}${phrase}`
        : other.slice(random.below(other.length)) + phrase;
    }
    if (random.once(200)) phrase += "😀";
    phrase = phrase.trim().slice(0, 24);
    if (
      phrase.length < (random.once(20) ? 2 : 3) || all.has(phrase) ||
      /[\ud800-\udbff]$/.test(phrase)
    ) continue;
    all.add(phrase);
    made.push(phrase);
  }
  return made;
}

function latin(words: number, random: Random): string {
  const word = () =>
    Array.from(
      { length: 2 + random.below(3) },
      () => random.pick(CONSONANTS) + random.pick(VOWELS),
    ).join("") + (random.once(2) ? random.pick(CONSONANTS) : "");
  return Array.from({ length: words }, word).join(" ");
}

function han(length: number, random: Random): string {
  return Array.from({ length }, () => random.pick(HAN)).join("");
}

/** A text of some `length` units, with `list` in it: whole, in part, one over the other; or seldom at all. */
export function text(list: readonly string[], length: number, random: Random): string {
  let plain = "";
  const often = random.pick([2, 6, 1000]);
  while (plain.length < length) {
    if (random.once(3)) plain += random.pick([" ", ", ", "。", "\n", '"', "\\", "9"]);
    if (!random.once(often)) {
      plain += random.once(2) ? latin(1, random) : han(1 + random.below(3), random);
      continue;
    }
    const phrase = random.pick(list);
    const part = 1 + random.below(phrase.length);
    plain += random.pick([phrase, phrase, phrase.slice(0, part), phrase.slice(part)]);
  }
  return plain;
}

/** The same in other letters. */
export function written(plain: string, random: Random): Written {
  const odd = random.pick([1000, 12, 3]);
  let raw = "";
  const starts: number[] = [];
  const ends: number[] = [];
  for (let at = 0; at < plain.length; at++) {
    while (random.once(odd * 2)) raw += random.pick(INVISIBLE);
    const unit = plain[at];
    const isLigature = unit === "f" && plain[at + 1] === "i" && random.once(odd);
    starts.push(raw.length);
    raw += isLigature ? "ﬁ" : random.once(odd) ? otherwise(unit, random) : unit;
    ends.push(raw.length);
    if (!isLigature) continue;
    at++;
    starts.push(raw.length - 1);
    ends.push(raw.length);
  }
  return { raw, plain, starts, ends };
}

function otherwise(unit: string, random: Random): string {
  const traditional = TRADITIONAL.get(unit);
  if (traditional !== undefined) return traditional;
  if (unit === " ") return "\u3000";
  if (!/[a-z0-9]/.test(unit)) return unit;
  const cased = random.once(2) ? unit.toUpperCase() : unit;
  return random.once(2) ? cased : String.fromCharCode(cased.charCodeAt(0) + 0xfee0);
}

/** `raw` in pieces, cut between any two units. */
export function pieces(raw: string, random: Random): string[] {
  const most = random.pick([1, 3, 8, 40]);
  const all: string[] = [];
  for (let at = 0; at < raw.length;) {
    const length = 1 + random.below(most);
    all.push(raw.slice(at, at += length));
  }
  return all;
}
