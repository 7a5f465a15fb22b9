// Texts that are written as JSON for each request. V8 keeps a text that was cut out of another, or joined of
// others, as just that, and at the first of these JSON.stringify leaves its fast way for one that costs three
// times as much (docs/decisions/memory.md). One that was cut out keeps the other alive, too.

/** The same text in memory of its own. */
export function inOnePiece(text: string): string {
  return JSON.parse(JSON.stringify(text));
}

/** The same, for one that was joined and has no capital letters, as a rule: that needs no memory but its own. */
export function joinedInOnePiece(text: string): string {
  // What needs no change comes back as it was, but in one piece.
  const lower = text.toLowerCase();
  return lower === text ? lower : inOnePiece(text);
}

/** More than clients' libraries and addresses are, where nobody makes them up. */
const MOST = 1000;

/** V8 copies what is shorter. */
const SHORTEST_PART = 13;

/** Texts that come with requests, and are few: each in one piece, made once. */
export class FewTexts {
  readonly #known = new Map<string, string>();

  inOnePiece(text: string): string {
    if (text.length < SHORTEST_PART) return text;
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.#known.size >= MOST) this.#known.clear();
    const made = inOnePiece(text);
    this.#known.set(made, made);
    return made;
  }
}
