// The share of bad ones among the latest of something, by subject: whether it is above a limit, and
// whether it is well below it again. What is bad, and what is said of it, is left to traffic.ts.

export interface ShareOptions {
  /** Share above which there is trouble, 0 to 1. At half of it the trouble is over. */
  limit: number;
  windowS: number;
  /** Fewer in the window are not judged. */
  least: number;
}

export interface Change {
  subject: string;
  /** Whether the trouble begins or ends. */
  begins: boolean;
  bad: number;
  all: number;
}

/** The window moves in steps of a twelfth. */
const STEPS = 12;

interface Counts {
  readonly bad: number[];
  readonly all: number[];
  /** The step that was counted last. */
  step: number;
  above: boolean;
}

export class ShareWatch {
  readonly #subjects = new Map<string, Counts>();

  constructor(private readonly options: ShareOptions) {}

  /** Subjects in trouble as of the last look. */
  get above(): string[] {
    return [...this.#subjects].filter(([, { above }]) => above).map(([subject]) => subject);
  }

  note(subject: string, isBad: boolean, nowMs: number): void {
    let counts = this.#subjects.get(subject);
    if (counts === undefined) {
      const zeros = () => Array.from({ length: STEPS }, () => 0);
      counts = { bad: zeros(), all: zeros(), step: this.#step(nowMs), above: false };
      this.#subjects.set(subject, counts);
    }
    const place = this.#turn(counts, nowMs);
    counts.all[place]++;
    if (isBad) counts.bad[place]++;
  }

  /** What began or ended since the last look. */
  look(nowMs: number): Change[] {
    const { limit, least } = this.options;
    const changes: Change[] = [];
    for (const [subject, counts] of this.#subjects) {
      this.#turn(counts, nowMs);
      const all = sum(counts.all);
      const bad = sum(counts.bad);
      const begins = !counts.above && all >= least && bad > limit * all;
      const ends = counts.above && bad <= limit / 2 * all;
      if (begins || ends) {
        counts.above = begins;
        changes.push({ subject, begins, bad, all });
      }
      if (all === 0 && !counts.above) this.#subjects.delete(subject);
    }
    return changes;
  }

  /** Clears the steps that have passed; returns the place of this one. */
  #turn(counts: Counts, nowMs: number): number {
    const step = this.#step(nowMs);
    const passed = Math.min(step - counts.step, STEPS);
    for (let i = 1; i <= passed; i++) {
      const place = (counts.step + i) % STEPS;
      counts.bad[place] = 0;
      counts.all[place] = 0;
    }
    if (passed > 0) counts.step = step;
    return counts.step % STEPS;
  }

  #step(nowMs: number): number {
    return Math.floor(nowMs / (this.options.windowS * 1000 / STEPS));
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
