// Finders that look at runs of characters: numbers, addresses, keys, patterns of the user. A run is a part
// of a text that a match can lie in; where it ends, it is looked at as a whole, so that it does not matter
// in which pieces the text came.

/** A match in a run. */
export interface Found {
  readonly start: number;
  readonly end: number;
  /** What was found, for a replacement: "email". */
  readonly kind: string;
  /** Number of the rule. */
  readonly owner: number;
}

/** How runs of a kind begin and go on, and what is found in them. */
export interface RunKind {
  /** Whether a run may begin at a unit, and go on over one. */
  readonly opens: (unit: number) => boolean;
  readonly goesOn: (unit: number) => boolean;
  /** What a run must begin with; "" for nothing more than `opens`. */
  readonly beginning: string;
  /** Longest match. */
  readonly longest: number;
  /** Whether something is done where it finds something, so that text must be held back. */
  readonly holds: boolean;
  /** Matches in a run, in their order, none over another of the same owner. */
  find(run: string): readonly Found[];
}

/** The run that a text is in, for one kind of runs. */
export class RunTracker {
  #run = "";
  /** Place of the run's first unit, counted from the beginning of the text. */
  #from = 0;

  constructor(
    private readonly kind: RunKind,
    private readonly found: (match: Found) => void,
  ) {}

  /** From where on text must be held back, where `end` is the end of the text so far. */
  heldFrom(end: number): number {
    return this.kind.holds && this.#run !== "" ? this.#from : end;
  }

  /** Takes the unit at `at`. */
  take(unit: number, at: number): void {
    const { kind } = this;
    if (this.#run === "") {
      if (kind.opens(unit)) this.#open(unit, at);
      return;
    }
    const { beginning } = kind;
    const length = this.#run.length;
    const isRight = length >= beginning.length || beginning.charCodeAt(length) === unit;
    if (!isRight || !kind.goesOn(unit)) {
      this.#close();
      if (kind.opens(unit)) this.#open(unit, at);
      return;
    }
    this.#run += String.fromCharCode(unit);
    if (this.#run.length >= kind.longest * 2) this.#cut();
  }

  /** The text has ended. */
  end(): void {
    if (this.#run !== "") this.#close();
  }

  #open(unit: number, at: number): void {
    this.#run = String.fromCharCode(unit);
    this.#from = at;
  }

  #close(): void {
    const run = this.#run;
    this.#run = "";
    if (run.length < this.kind.beginning.length) return;
    for (const match of this.kind.find(run)) this.#tell(match);
  }

  /** A run that is too long is looked at in parts, each match in the part that it begins in. */
  #cut(): void {
    const { longest } = this.kind;
    let next = longest;
    for (const match of this.kind.find(this.#run)) {
      if (match.start >= longest) break;
      this.#tell(match);
      next = Math.max(next, match.end);
    }
    const rest = this.#run.slice(next);
    const from = this.#from + next;
    this.#run = "";
    for (let i = 0; i < rest.length; i++) this.take(rest.charCodeAt(i), from + i);
  }

  #tell(match: Found): void {
    this.found({ ...match, start: this.#from + match.start, end: this.#from + match.end });
  }
}
