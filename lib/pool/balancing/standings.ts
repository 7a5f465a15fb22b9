// The instances that come into question for one prompt, as they stand: a row of numbers for each fact, kept
// from one decision to the next, so that deciding makes no objects. What the numbers are is left to router.ts,
// what they cost to prefix_aware.ts.

/** One instance, copied out. */
export interface Standing {
  /** Tokens of this prompt that it is taken to hold. */
  readonly matched: number;
  /** Tokens to be computed there before this prompt. */
  readonly backlog: number;
  /** Requests there without a first token. */
  readonly unanswered: number;
  /** Requests under way there, those of others included. */
  readonly underWay: number;
  /** Prompt tokens that it computes in a second. */
  readonly speed: number;
  /** Above zero; less while it warms up. */
  readonly weight: number;
  /** Rank in the rendezvous order of the prompt's beginning, the least is its home (rendezvous.ts). */
  readonly rank: number;
}

/** What one instance would cost. */
export interface Cost {
  readonly seconds: number;
  /** It has its share of the requests already. */
  readonly isOverBound: boolean;
}

/** More room is made when more instances come. */
const USUAL_ROOM = 16;

export class Standings {
  count = 0;
  slots = new Int32Array(0);
  /** Chunks of the prompt that each has by the index alone. */
  chunks = new Int32Array(0);
  matched = new Float64Array(0);
  backlog = new Float64Array(0);
  unanswered = new Float64Array(0);
  underWay = new Float64Array(0);
  speed = new Float64Array(0);
  weight = new Float64Array(0);
  rank = new Float64Array(0);
  seconds = new Float64Array(0);
  isOverBound = new Uint8Array(0);
  #sorted = new Float64Array(0);

  /** Rows for so many instances. What is in them is left from before. */
  begin(count: number): void {
    this.count = count;
    if (count > this.slots.length) this.#grow(Math.max(USUAL_ROOM, 2 * count));
  }

  #grow(room: number): void {
    this.slots = new Int32Array(room);
    this.chunks = new Int32Array(room);
    this.matched = new Float64Array(room);
    this.backlog = new Float64Array(room);
    this.unanswered = new Float64Array(room);
    this.underWay = new Float64Array(room);
    this.speed = new Float64Array(room);
    this.weight = new Float64Array(room);
    this.rank = new Float64Array(room);
    this.seconds = new Float64Array(room);
    this.isOverBound = new Uint8Array(room);
    this.#sorted = new Float64Array(room);
  }

  /** Where the instance in `slot` stands; -1 where it does not. */
  indexOf(slot: number): number {
    for (let at = 0; at < this.count; at++) if (this.slots[at] === slot) return at;
    return -1;
  }

  /** The instance that comes first in rendezvous order. */
  home(): number {
    let home = 0;
    for (let at = 1; at < this.count; at++) if (this.rank[at] < this.rank[home]) home = at;
    return home;
  }

  /** The median of the speeds that are known; `usual` where none is. */
  usualSpeed(usual: number): number {
    const sorted = this.#sorted;
    let known = 0;
    for (let at = 0; at < this.count; at++) {
      const speed = this.speed[at];
      if (speed <= 0) continue;
      let place = known++;
      for (; place > 0 && sorted[place - 1] > speed; place--) sorted[place] = sorted[place - 1];
      sorted[place] = speed;
    }
    return known === 0 ? usual : sorted[known >> 1];
  }

  standing(at: number): Standing {
    return {
      matched: this.matched[at],
      backlog: this.backlog[at],
      unanswered: this.unanswered[at],
      underWay: this.underWay[at],
      speed: this.speed[at],
      weight: this.weight[at],
      rank: this.rank[at],
    };
  }

  cost(at: number): Cost {
    return { seconds: this.seconds[at], isOverBound: this.isOverBound[at] === 1 };
  }
}
