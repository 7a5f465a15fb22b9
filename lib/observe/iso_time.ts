// Timestamps in ISO 8601, made once a millisecond: under load many lines share one.

export class IsoTime {
  #ms = NaN;
  #text = "";

  /** `ms` since 1970 as 2026-01-31T12:00:00.000Z. */
  text(ms: number): string {
    if (ms !== this.#ms) {
      this.#text = new Date(ms).toISOString();
      this.#ms = ms;
    }
    return this.#text;
  }
}
