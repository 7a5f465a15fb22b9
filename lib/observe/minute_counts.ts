// Counts and sums by minute over the last hour.

/** Minutes that are kept. */
export const HOUR = 60;
export const MINUTE_MS = 60_000;

export class MinuteCounts {
  readonly #counts = new Float64Array(HOUR);
  #newest = -Infinity;

  /** `minute` counts since 1970. */
  add(minute: number, count = 1): void {
    this.#turn(minute);
    this.#counts[minute % HOUR] += count;
  }

  /** Keeps the highest of a minute. */
  raise(minute: number, value: number): void {
    this.#turn(minute);
    this.#counts[minute % HOUR] = Math.max(this.#counts[minute % HOUR], value);
  }

  /** Of each minute, the oldest first. */
  values(minute: number): number[] {
    this.#turn(minute);
    return Array.from({ length: HOUR }, (_, at) => this.#counts[(minute + 1 + at) % HOUR]);
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

  /** A clock that was put back leaves no minutes before it. */
  #turn(minute: number): void {
    if (minute === this.#newest) return;
    const last = Math.max(minute, this.#newest);
    const passed = Math.min(Math.abs(minute - this.#newest), HOUR);
    for (let back = 0; back < passed; back++) this.#counts[(last - back) % HOUR] = 0;
    this.#newest = minute;
  }
}
