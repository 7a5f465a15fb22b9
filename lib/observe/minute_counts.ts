// Counts by minute over the last hour.

/** Minutes that are kept. */
export const HOUR = 60;
export const MINUTE_MS = 60_000;

export class MinuteCounts {
  readonly #counts = new Uint32Array(HOUR);
  #newest = -Infinity;

  /** `minute` counts since 1970. */
  add(minute: number): void {
    this.#turn(minute);
    this.#counts[minute % HOUR]++;
  }

  /** Of the last `count` minutes, this one among them. */
  sum(minute: number, count: number): number {
    this.#turn(minute);
    let sum = 0;
    for (let back = 0; back < count; back++) {
      sum += this.#counts[(minute - back + HOUR) % HOUR];
    }
    return sum;
  }

  #turn(minute: number): void {
    if (minute <= this.#newest) return;
    const passed = Math.min(minute - this.#newest, HOUR);
    for (let back = 0; back < passed; back++) this.#counts[(minute - back) % HOUR] = 0;
    this.#newest = minute;
  }
}
