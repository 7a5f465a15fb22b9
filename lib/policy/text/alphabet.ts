// How texts are compared: without regard to width, case, zero-width characters and to whether Chinese is
// written in traditional or simplified characters. One look into a table for each UTF-16 unit.

import { SIMPLIFIED, TRADITIONAL } from "./simplified_table.ts";

/** What a unit counts for nothing stands for in the tables. */
export const DROPPED = 0xffff;
/** Several units stand for it: see `expansion`. */
export const EXPANDED = 0xfffe;

/** Zero-width, soft hyphen, marks of direction and variation, NUL. */
const INVISIBLE =
  // deno-lint-ignore no-control-regex -- exactly these are meant
  /[\u0000\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]/;
const UNITS = 0x10000;

export class Alphabet {
  /** The unit that each unit counts as, DROPPED or EXPANDED. */
  readonly units: Uint16Array<ArrayBuffer> = new Uint16Array(UNITS);
  readonly #expansions = new Map<number, string>();

  constructor() {
    const simplified = new Map<number, number>();
    for (let i = 0; i < TRADITIONAL.length; i++) {
      simplified.set(TRADITIONAL.charCodeAt(i), SIMPLIFIED.charCodeAt(i));
    }
    for (let unit = 0; unit < UNITS; unit++) {
      this.units[unit] = this.#unitFor(unit, simplified);
    }
  }

  /** What an EXPANDED unit counts as. */
  expansion(unit: number): string {
    return this.#expansions.get(unit) ?? "";
  }

  /** `text` as it is compared. */
  plain(text: string): string {
    let plain = "";
    for (let i = 0; i < text.length; i++) {
      const unit = this.units[text.charCodeAt(i)];
      if (unit === EXPANDED) plain += this.expansion(text.charCodeAt(i));
      else if (unit !== DROPPED) plain += String.fromCharCode(unit);
    }
    return plain;
  }

  #unitFor(unit: number, simplified: ReadonlyMap<number, number>): number {
    // Halves of characters beyond the first plane, and units that the tables need for themselves.
    if (unit >= 0xd800 && unit <= 0xdfff) return unit;
    if (unit >= EXPANDED) return DROPPED;
    // Most units: they have one form alone, but for what is traditional.
    if (unit >= 0x3400 && unit <= 0x9fff) return simplified.get(unit) ?? unit;
    if ((unit >= 0xac00 && unit <= 0xd7a3) || (unit >= 0xe000 && unit <= 0xf8ff)) return unit;
    const char = String.fromCharCode(unit);
    if (INVISIBLE.test(char)) return DROPPED;
    const folded = unit < 128 ? char.toLowerCase() : char.normalize("NFKC").toLowerCase();
    const plain = [...folded].filter((one) => !INVISIBLE.test(one)).map((one) => {
      const other = one.length === 1 ? simplified.get(one.charCodeAt(0)) : undefined;
      return other === undefined ? one : String.fromCharCode(other);
    }).join("");
    if (plain.length === 1) return plain.charCodeAt(0);
    if (plain.length === 0) return DROPPED;
    this.#expansions.set(unit, plain);
    return EXPANDED;
  }
}

/** Whether words go on at a unit: letters and digits of writing that has blanks between words. */
export function isWordUnit(unit: number): boolean {
  if (unit < 128) {
    return (unit >= 48 && unit <= 57) || (unit >= 65 && unit <= 90) ||
      (unit >= 97 && unit <= 122) ||
      unit === 95;
  }
  return WORD.test(String.fromCharCode(unit));
}

const WORD = /^[\p{L}\p{N}]$/u;
