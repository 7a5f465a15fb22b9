// Percentiles of many values in little memory: a sketch whose answers are within 1 % of the true ones (DDSketch),
// and never beyond the largest or smallest value seen.

import { DDSketch } from "@datadog/sketches-js";

const ACCURACY = 0.01;

export class Quantiles {
  readonly #sketch = new DDSketch({ relativeAccuracy: ACCURACY });

  get count(): number {
    return this.#sketch.count;
  }

  /** `value` is not negative. */
  add(value: number): void {
    this.#sketch.accept(value);
  }

  addAll(others: Quantiles): void {
    if (others.count > 0) this.#sketch.merge(others.#sketch);
  }

  /** The value that the share `q` does not exceed, in tenths; null without any. */
  at(q: number): number | null {
    const { count, min, max } = this.#sketch;
    if (count === 0) return null;
    // The sketch takes shares of count - 1, rounded down: so that few values have their largest as p99.
    const rank = Math.max(0, Math.ceil(q * count) - 1);
    const share = count === 1 ? 0 : Math.min(1, (rank + 0.5) / (count - 1));
    const value = this.#sketch.getValueAtQuantile(share);
    return Math.round(Math.min(max, Math.max(min, value)) * 10) / 10;
  }
}

/** Milliseconds of one part: what is older than all parts is forgotten a part at a time. */
const PART_MS = 10_000;
const PARTS = 6;

/** Percentiles of the values of the last minute. */
export class MinuteQuantiles {
  /** Those of earlier parts, the newest last, by the number of their part. */
  #parts: { readonly part: number; readonly values: Quantiles }[] = [];
  /** What `of` found, until something changes. */
  #known: { readonly part: number; readonly count: number; readonly values: Quantiles } | null =
    null;
  #count = 0;

  add(value: number, nowMs: number): void {
    const part = Math.floor(nowMs / PART_MS);
    let last = this.#parts.at(-1);
    if (last === undefined || last.part < part) {
      this.#parts.push(last = { part, values: new Quantiles() });
      if (this.#parts.length > PARTS + 1) this.#parts.shift();
    }
    last.values.add(value);
    this.#count++;
  }

  /** All values of the last fifty to sixty seconds, and of now. */
  of(nowMs: number): Quantiles {
    const part = Math.floor(nowMs / PART_MS);
    if (this.#known?.part === part && this.#known.count === this.#count) return this.#known.values;
    this.#parts = this.#parts.filter((one) => one.part > part - PARTS);
    const values = new Quantiles();
    for (const one of this.#parts) values.addAll(one.values);
    this.#known = { part, count: this.#count, values };
    return values;
  }
}
