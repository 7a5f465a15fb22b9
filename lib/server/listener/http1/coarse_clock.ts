// The one clock of a listener, by which all time limits of its connections go.

/** How often the listener looks at the deadlines of its connections. */
export const TICK_MS = 100;

export interface CoarseClock {
  /** performance.now() of the last tick. */
  readonly now: number;
}

/** The deadline `seconds` from now: up to two ticks late, never early. */
export function after({ now }: CoarseClock, seconds: number): number {
  return now + TICK_MS + seconds * 1000;
}
