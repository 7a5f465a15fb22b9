// The other gateways that have been heard of: what each said last, for how long it counts, and what all say
// together. Times are of this gateway's own clock: those of the others may show anything.

import type { GatewayFigures, Load, Note, NoteRefusal } from "./note.ts";

/** More than these are not listened to. */
export const MAX_OTHERS = 16;
/** One that ended without a word is waited for so long. */
const MISSED_MS = 600_000;

/** Another gateway, for those who look. */
export interface OtherGateway extends GatewayFigures {
  readonly name: string;
  /** Seconds since its last note. */
  readonly age: number;
}

interface Known {
  note: Note;
  heardAt: number;
}

export class Others {
  /** By the id of the process. */
  readonly #known = new Map<string, Known>();
  /** When one of this name was heard of last, and has not said good-bye. */
  readonly #names = new Map<string, number>();

  constructor(private readonly ownId: string, private readonly now: () => number) {}

  /** Takes a note: true where there is something new in it; its own and old ones are no news. */
  take(note: Note): boolean | NoteRefusal {
    if (note.id === this.ownId) return false;
    const known = this.#known.get(note.id);
    if (known === undefined && this.#known.size >= MAX_OTHERS) return "too_many";
    if (known !== undefined && note.number <= known.note.number) return false;
    if (note.isLast) {
      this.#known.delete(note.id);
      const hasHeir = [...this.#known.values()].some((other) => other.note.name === note.name);
      if (!hasHeir) this.#names.delete(note.name);
      return true;
    }
    // What it sent has its place in the index; only the rest is kept.
    this.#known.set(note.id, {
      note: { ...note, sent: [], kept: [], sessions: [] },
      heardAt: this.now(),
    });
    this.#names.set(note.name, this.now());
    return true;
  }

  /** Forgets those that have been silent for longer; true where there were any. */
  age(staleAfterS: number): boolean {
    const before = this.#known.size;
    for (const [id, { heardAt }] of this.#known) {
      if (this.now() - heardAt > staleAfterS * 1000) this.#known.delete(id);
    }
    for (const [name, at] of this.#names) {
      if (this.now() - at > MISSED_MS) this.#names.delete(name);
    }
    return this.#known.size < before;
  }

  /** Whether some are not heard of: of so many that must be there, or of those that were there before. */
  isMissing(expected: number): boolean {
    const heard = new Set([...this.#known.values()].map(({ note }) => note.name));
    return this.#known.size < expected || [...this.#names.keys()].some((name) => !heard.has(name));
  }

  /** Whom to wait for is said anew. */
  forget(): void {
    this.#known.clear();
    this.#names.clear();
  }

  /** What all of them keep busy, by address. */
  loads(): Map<number, Load> {
    const sums = new Map<number, Load>();
    for (const { note: { loads } } of this.#known.values()) {
      for (const load of loads) {
        const sum = sums.get(load.address);
        sums.set(
          load.address,
          sum === undefined ? load : {
            address: load.address,
            underWay: sum.underWay + load.underWay,
            unanswered: sum.unanswered + load.unanswered,
            pending: sum.pending + load.pending,
          },
        );
      }
    }
    return sums;
  }

  /** By name. */
  list(): OtherGateway[] {
    return [...this.#known.values()].map(({ note: { name, figures }, heardAt }) => ({
      name,
      ...figures,
      age: Math.round(this.now() - heardAt) / 1000,
    })).sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  }
}
