// The file descriptors of this process: whether there are some left for one more connection, with a
// reserve that connections never take, so that records and logs are written all the same. The limit is
// not told to a process with few permissions; it is found by opening files, since the system always gives
// the lowest free number.

import { closeSync, openSync } from "node:fs";
import { type Scarce, scarceIn } from "./scarcity.ts";

/** Kept free of clients, by the limit's size. */
const MOST_RESERVE = 128;
const LEAST_RESERVE = 16;
/** Numbers that are known to exist above the lowest free one; looked for in steps of twice as many. */
const AHEAD = MOST_RESERVE;
/**
 * So many connections may come between two looks, and only a small share of those that are left: the other
 * workers take from the same ones, and what one of them has not seen must never be the reserve.
 */
const LOOK_EVERY = 8;
const SHARE = 64;
/** A limit that was met may have been raised since. */
const LOOK_AGAIN_MS = 5000;
/** Those who may close something are not asked again before this when they had nothing. */
const ASK_AGAIN_MS = 100;

/** How often it is told that something is scarce. */
const TELL_MS = 250;

/** Who wants a connection; a refusal is for a client that there was no room for. */
export type Wanted = "client" | "refusal" | "instance";

/** What each leaves of the reserve. */
const LEAVES: Readonly<Record<Wanted, number>> = { client: 1, refusal: 0.75, instance: 0.5 };

/** Files to count by. */
export interface Files {
  /** Returns its number, the lowest that is free; throws as the system does. */
  open(): number;
  close(file: number): void;
}

/** Windows has no such limit. */
const FILES: Files | null = Deno.build.os === "windows"
  ? null
  : { open: () => openSync("/dev/null", "r"), close: closeSync };

export class Descriptors {
  /** Closes what can be spared; returns how many. */
  readonly #spare: (() => number)[] = [];
  /** Numbers below it exist. */
  #known = 0;
  /** The first number that does not exist; Infinity until it was met. */
  #limit = Infinity;
  #metAt = -Infinity;
  /** Connections that may come before the next look. */
  #unseen = 0;
  #isShort = false;
  #askedAt = -Infinity;
  readonly #toldAt = new Map<Scarce, number>();
  constructor(
    /** Called when connections cannot be had, and now and then as long as they cannot. */
    private readonly onScarce: (what: Scarce) => void,
    /** null to go by the system's refusals alone. */
    private files: Files | null = FILES,
    /**
     * Runs `look` while no other worker runs one: each opens all files that are left, and would take the
     * other's highest number for the limit.
     */
    private readonly alone: <T>(look: () => T) => T = (look) => look(),
  ) {}

  /** Asks `spare` to close something when descriptors are short; who has joined last is asked first. */
  join(spare: () => number): void {
    this.#spare.unshift(spare);
  }

  /** How many are kept free of clients. */
  get reserve(): number {
    return Math.max(LEAST_RESERVE, Math.min(MOST_RESERVE, this.#limit >> 4));
  }

  /** Whether one more connection leaves the reserve as it is. */
  hasRoom(wanted: Wanted): boolean {
    if (this.files === null) return true;
    if (!this.#isShort && this.#unseen > 0) {
      this.#unseen--;
      return true;
    }
    const left = this.#left();
    this.#isShort = left <= this.reserve;
    this.#unseen = Math.min(LOOK_EVERY, Math.floor((left - this.reserve) / SHARE));
    return left > this.reserve * LEAVES[wanted];
  }

  /** Room for one more connection, after something was closed for it if need be. */
  async findRoom(wanted: Wanted): Promise<boolean> {
    if (this.hasRoom(wanted)) return true;
    const now = performance.now();
    if (now - this.#askedAt > ASK_AGAIN_MS) {
      for (const spare of this.#spare) {
        if (spare() === 0) continue;
        // A socket is closed once the read under way on it has ended.
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (this.hasRoom(wanted)) return true;
      }
      this.#askedAt = now;
    }
    this.#tell("files");
    return false;
  }

  /** The system refused a connection: what can be spared is closed. */
  refused(what: Scarce): void {
    this.#tell(what);
    if (what === "ports") return;
    this.#isShort = true;
    // Nothing of what was found before need be there any more.
    if (what === "files") this.#known = 0;
    for (const spare of this.#spare) spare();
  }

  /** Whether none at all is left: then not even a name can be looked up. */
  get isOut(): boolean {
    return this.#lowest() === Infinity;
  }

  #tell(what: Scarce): void {
    const now = performance.now();
    if (now - (this.#toldAt.get(what) ?? -Infinity) < TELL_MS) return;
    this.#toldAt.set(what, now);
    this.onScarce(what);
  }

  #left(): number {
    let lowest = this.#lowest();
    // Another worker's look may have had them all.
    if (lowest === Infinity) lowest = this.alone(() => this.#lowest());
    if (lowest === Infinity) return 0;
    if (lowest < 0) return Infinity;
    const isOld = performance.now() - this.#metAt > LOOK_AGAIN_MS;
    if (this.#limit === Infinity ? lowest + AHEAD > this.#known : this.#isShort && isOld) {
      const files = this.files!;
      this.alone(() => this.#lookAhead(files, lowest));
    }
    return this.#limit - lowest;
  }

  /** The lowest free number; Infinity where none is, -1 where it cannot be told. */
  #lowest(): number {
    if (this.files === null) return -1;
    try {
      const file = this.files.open();
      this.files.close(file);
      return file;
    } catch (error) {
      if (scarceIn(error) === "files") return Infinity;
      // No permission, or no such file: the system's own refusals have to do.
      this.files = null;
      return -1;
    }
  }

  /** Opens files until they have numbers well above `lowest`, or there are no more. */
  #lookAhead({ open, close }: Files, lowest: number): void {
    const files: number[] = [];
    this.#limit = Infinity;
    try {
      while ((files.at(-1) ?? lowest) < lowest + AHEAD * 2) files.push(open());
    } catch (error) {
      if (scarceIn(error) !== "files") throw error;
      this.#limit = Math.max(lowest, ...files) + 1;
      this.#metAt = performance.now();
    } finally {
      for (const file of files) close(file);
    }
    this.#known = Math.max(lowest, ...files);
  }
}
