// When one more isolate is to serve, and when one less: a function of how busy those are that do, over time.
// It knows no clock and no isolates.

/** Those that are left must have room: they may be so much of `busy` at work. */
const ROOM_LEFT = 0.6;

export interface ElasticRules {
  /** Isolates that may serve, one at least. */
  readonly most: number;
  /** Share of its time that an isolate may be at work. */
  readonly busy: number;
  /** How long they have to be busier until one is added, and calm until one is taken away. */
  readonly afterS: number;
  readonly calmS: number;
}

export type Change = "add" | "take_away";

export class ElasticRule {
  #busySince: number | null = null;
  #calmSince: number | null = null;

  /**
   * What is to be done at `nowMs`. `shares` has one number for each isolate that takes clients: how much of
   * its time, 0 to 1, it was at work since the last look.
   */
  look(nowMs: number, shares: readonly number[], rules: ElasticRules): Change | null {
    const { most, busy, afterS, calmS } = rules;
    const count = shares.length;
    const work = shares.reduce((sum, share) => sum + share, 0);
    const isBusy = count < most && work / count >= busy;
    const isCalm = count > 1 && (count > most || work / (count - 1) < busy * ROOM_LEFT);
    this.#busySince = isBusy ? this.#busySince ?? nowMs : null;
    this.#calmSince = isCalm ? this.#calmSince ?? nowMs : null;
    if (this.#busySince !== null && nowMs - this.#busySince >= afterS * 1000) {
      return this.#changed("add");
    }
    if (this.#calmSince !== null && nowMs - this.#calmSince >= calmS * 1000) {
      return this.#changed("take_away");
    }
    return null;
  }

  /** With another number of isolates all is looked at anew. */
  #changed(change: Change): Change {
    this.#busySince = this.#calmSince = null;
    return change;
  }
}
