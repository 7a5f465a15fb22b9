// The characters of a JSON text that comes in pieces: an escape is the one that it stands for, and takes the
// place of all its units.

const BACKSLASH = 92;
const U = 117;
/** What a backslash and a letter stand for in a JSON text. */
const ESCAPES: ReadonlyMap<number, number> = new Map([
  [98, 8],
  [102, 12],
  [110, 10],
  [114, 13],
  [116, 9],
]);

export class Escapes {
  /** Place of an escape that has begun; -1 without. */
  begunAt = -1;
  /** Where the unit stands that was given last. */
  from = 0;
  /** Digits of the escape, and their value; -1 before the `u`. */
  #digits = 0;
  #value = 0;

  /** Takes the unit at `at`; returns the one that it is the end of, or -1 in the middle of an escape. */
  take(unit: number, at: number): number {
    if (this.begunAt < 0) {
      if (unit !== BACKSLASH) {
        this.from = at;
        return unit;
      }
      this.begunAt = at;
      this.#digits = -1;
      return -1;
    }
    if (this.#digits < 0) {
      if (unit !== U) return this.#escaped(ESCAPES.get(unit) ?? unit);
      this.#digits = this.#value = 0;
      return -1;
    }
    const digit = parseInt(String.fromCharCode(unit), 16);
    this.#value = this.#value * 16 + (Number.isNaN(digit) ? 0 : digit);
    return ++this.#digits === 4 ? this.#escaped(this.#value) : -1;
  }

  /** The text has ended: what has begun is a backslash; -1 where nothing has. */
  end(): number {
    return this.begunAt < 0 ? -1 : this.#escaped(BACKSLASH);
  }

  #escaped(unit: number): number {
    this.from = this.begunAt;
    this.begunAt = -1;
    return unit;
  }
}
