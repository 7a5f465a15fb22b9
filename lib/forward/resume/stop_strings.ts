// Stop strings that begin in one stretch of an answer and end in the next: neither instance sees them whole.

/** Where raw text must end. */
export interface StopAt {
  /** Characters of the text that are left. */
  length: number;
  /** The stop string. */
  stop: string;
}

export class StopStrings {
  readonly #longest: number;
  /** The end of the text before the seam that may belong to a stop string. */
  readonly #before: string;
  /** Text behind the seam that was looked at. */
  #behind = "";

  constructor(
    private readonly stops: readonly string[],
    before: string,
    /** Whether the stop string itself is a part of the answer. */
    private readonly includes: boolean,
  ) {
    this.#longest = Math.max(0, ...stops.map((stop) => stop.length));
    this.#before = this.#longest === 0 ? "" : before.slice(1 - this.#longest || before.length);
  }

  /** Whether no stop string can reach over the seam any more. */
  get isPast(): boolean {
    return this.#behind.length >= this.#longest - 1;
  }

  /** Takes the next text behind the seam; where a stop string across it ends, counted from the seam. */
  take(text: string): StopAt | null {
    if (this.isPast) return null;
    this.#behind += text;
    const joined = this.#before + this.#behind;
    let first: StopAt | null = null;
    for (const stop of this.stops) {
      const at = joined.indexOf(stop);
      // One that lies behind the seam as a whole is the instance's to find.
      if (at < 0 || at >= this.#before.length) continue;
      const end = this.includes ? at + stop.length : at;
      const length = end - this.#before.length;
      if (first === null || length < first.length) first = { length, stop };
    }
    return first;
  }
}

/** The first stop string in `text` and where the text must end for it; null without. */
export function stopIn(text: string, stops: readonly string[], includes: boolean): StopAt | null {
  let first: StopAt | null = null;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    const length = includes ? at + stop.length : at;
    if (at >= 0 && (first === null || length < first.length)) first = { length, stop };
  }
  return first;
}

/** The stop strings of a request, a string or a list of them. */
export function stopsOf(stop: unknown): string[] {
  const list = Array.isArray(stop) ? stop : [stop];
  return list.filter((one): one is string => typeof one === "string" && one !== "");
}
