// Counts of values by size, as Prometheus' histograms have them: one count for each bound and one above
// all, the sum, and how many. The counts are not cumulative.

export class Histogram {
  /** One for each bound, and one for what is above all of them. */
  readonly counts: number[];
  sum = 0;
  count = 0;

  /** `bounds` are upper bounds, inclusive and ascending. */
  constructor(readonly bounds: readonly number[]) {
    this.counts = [...bounds.map(() => 0), 0];
  }

  observe(value: number): void {
    const { bounds } = this;
    let index = 0;
    while (index < bounds.length && value > bounds[index]) index++;
    this.counts[index]++;
    this.sum += value;
    this.count++;
  }
}
