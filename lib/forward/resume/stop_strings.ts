// Stop strings that begin in one stretch of an answer and end in the next: neither instance sees them whole.

/** Where raw text must end. */
export interface StopAt {
  /** Characters of the text that are left. */
  length: number;
  /** The stop string. */
  stop: string;
}

export class StopStrings {
  /** Those that may still reach over the seam. */
  #open: Crossing[];
  /** Characters behind the seam that were looked at. */
  #behind = 0;

  constructor(
    stops: readonly string[],
    before: string,
    /** Whether the stop string itself is a part of the answer. */
    private readonly includes: boolean,
  ) {
    this.#open = stops.map((stop) => new Crossing(stop, before)).filter(({ met }) => met > 0);
  }

  /** Whether no stop string can reach over the seam any more. */
  get isPast(): boolean {
    return this.#open.length === 0;
  }

  /** How many characters of the text before the seam one of them may have begun with. */
  get reach(): number {
    return Math.max(0, ...this.#open.map(({ met }) => met - this.#behind));
  }

  /**
   * Takes the next token's text behind the seam; where a stop string across it ends, counted from the seam. Of
   * several that end with one token the first of the list counts, as in vLLM.
   */
  take(text: string): StopAt | null {
    let first: StopAt | null = null;
    for (const crossing of this.#open) {
      const end = crossing.take(text, this.#behind);
      if (end === null) continue;
      const { stop } = crossing;
      const length = this.includes ? end : end - stop.length;
      first ??= { length, stop };
    }
    this.#behind += text.length;
    this.#open = this.#open.filter(({ met }) => met > this.#behind);
    return first;
  }
}

/**
 * One stop string, met character by character (Knuth, Morris and Pratt), so that the longest one costs no
 * more than the text, and holds it back no longer than it agrees with it.
 */
class Crossing {
  /** How many characters of the stop string the text ends in. */
  met = 0;
  /** For each beginning of the stop string, the longest shorter one that it ends in. */
  readonly #shorter: Uint32Array;

  constructor(readonly stop: string, before: string) {
    this.#shorter = new Uint32Array(stop.length);
    for (let at = 1, met = 0; at < stop.length; at++) {
      while (met > 0 && stop[met] !== stop[at]) met = this.#shorter[met - 1];
      if (stop[met] === stop[at]) met++;
      this.#shorter[at] = met;
    }
    for (let at = Math.max(0, before.length - stop.length + 1); at < before.length; at++) {
      this.#meet(before[at]);
    }
  }

  /** Where it ends behind the seam, `behind` characters of which came before `text`; null if it does not. */
  take(text: string, behind: number): number | null {
    for (let at = 0; at < text.length && this.met > behind + at; at++) {
      this.#meet(text[at]);
      // One that lies behind the seam as a whole is the instance's to find.
      if (this.met === this.stop.length && this.met > behind + at + 1) return behind + at + 1;
    }
    return null;
  }

  #meet(char: string): void {
    const { stop } = this;
    while (this.met > 0 && stop[this.met] !== char) this.met = this.#shorter[this.met - 1];
    if (stop[this.met] === char) this.met++;
  }
}

/** The first stop string in `text` and where the text must end for it; null without. */
export function stopIn(text: string, stops: readonly string[], includes: boolean): StopAt | null {
  let first: StopAt | null = null;
  let firstEnd = Infinity;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    const end = at + stop.length;
    if (at < 0 || end >= firstEnd) continue;
    firstEnd = end;
    first = { length: includes ? end : at, stop };
  }
  return first;
}

/** The stop strings of a request, a string or a list of them. */
export function stopsOf(stop: unknown): string[] {
  const list = Array.isArray(stop) ? stop : [stop];
  return list.filter((one): one is string => typeof one === "string" && one !== "");
}
