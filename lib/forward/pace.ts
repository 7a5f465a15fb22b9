// How often streams are read when the isolate has more to do than it can. Each then rests a little after a
// read, so that the next one brings several events, which cost hardly more than one: the loop has room
// again, and a new request does not wait behind a thousand streams. Where there is room nothing rests.

/** What the pace needs of the world; all times in milliseconds. */
export interface PaceParts {
  /** Resolves to how long what comes on a socket now waits until it is seen. */
  lagMs(): Promise<number>;
  /** Calls `body` every `ms`; returns what ends that. */
  every(body: () => void, ms: number): () => void;
  /** The isolate has more to do than it can; it has room again. */
  saturated(is: boolean): void;
}

/** Fewer streams are not what keeps an isolate busy. */
const FEW_STREAMS = 64;
const LOOK_MS = 50;
/** What is seen so late this often in a row tells of a loop without room. */
const LATE_MS = 20;
const LATE_LOOKS = 2;
/** What is seen as early as that for so long in a row tells of room. */
const EARLY_MS = 8;
const EARLY_LOOKS = 16;
/** Rests are counted in ticks: all that end with one tick read at once. */
const TICK_MS = 10;
/** Longest rest, in ticks: a reader of text does not see 80 ms. */
const MOST_TICKS = 8;
/** A read that brought as much was worth its cost, and more may be waiting. */
const MUCH_BYTES = 4096;

export class Pace {
  #streams = 0;
  /** How long a rest is now, in ticks. */
  #ticks = 0;
  #late = 0;
  #early = 0;
  #isLooking = false;
  /** Who rests, by the tick that ends it; the one at `#at` is the next. */
  readonly #resting: (() => void)[][] = Array.from({ length: MOST_TICKS }, () => []);
  #at = 0;
  #stopLooking: (() => void) | null = null;
  #stopTicking: (() => void) | null = null;

  constructor(private readonly parts: PaceParts) {}

  /** A stream is under way, until `end`. */
  begin(): void {
    this.#streams++;
    if (this.#streams < FEW_STREAMS || this.#stopLooking !== null) return;
    this.#stopLooking = this.parts.every(() => this.#look(), LOOK_MS);
  }

  end(): void {
    this.#streams--;
    if (this.#streams >= FEW_STREAMS || this.#stopLooking === null) return;
    this.#stopLooking();
    this.#stopLooking = null;
    this.#late = this.#early = 0;
    this.#restFor(0);
  }

  /** To wait for before the next read, after one that brought `bytes`; null where it may follow at once. */
  rest(bytes: number): Promise<void> | null {
    const ticks = this.#ticks;
    if (ticks === 0 || bytes >= MUCH_BYTES) return null;
    return new Promise((resolve) => {
      this.#resting[(this.#at + ticks - 1) % MOST_TICKS].push(resolve);
    });
  }

  #look(): void {
    // One that waits behind all others says enough.
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.parts.lagMs().then((lagMs) => {
      this.#isLooking = false;
      if (this.#stopLooking !== null) this.#saw(lagMs);
    });
  }

  #saw(lagMs: number): void {
    this.#late = lagMs >= LATE_MS ? this.#late + 1 : 0;
    this.#early = lagMs < EARLY_MS ? this.#early + 1 : 0;
    if (this.#late >= LATE_LOOKS) {
      this.#late = 0;
      this.#restFor(Math.min(MOST_TICKS, this.#ticks + 2));
    } else if (this.#early >= EARLY_LOOKS && this.#ticks > 0) {
      this.#early = 0;
      this.#restFor(this.#ticks - 1);
    }
  }

  #restFor(ticks: number): void {
    this.#ticks = ticks;
    if (ticks > 0 && this.#stopTicking === null) {
      this.parts.saturated(true);
      this.#stopTicking = this.parts.every(() => this.#tick(), TICK_MS);
    } else if (ticks === 0 && this.#stopTicking !== null) {
      this.parts.saturated(false);
      this.#stopTicking();
      this.#stopTicking = null;
      for (let tick = 0; tick < MOST_TICKS; tick++) this.#tick();
    }
  }

  #tick(): void {
    const resting = this.#resting[this.#at];
    this.#at = (this.#at + 1) % MOST_TICKS;
    // Emptied before anybody goes on, who may rest again.
    for (const resolve of resting.splice(0)) resolve();
  }
}
