// The usage of one month as a file: appended to under a lock, read as far as others have written, and
// summed up in place when it has grown too long. Several processes may do so with one file.

import { dirname } from "node:path";
import { readLines } from "./lines.ts";
import type { Line, Row } from "./row.ts";
import { sumUp } from "./summed_up.ts";
import { putInPlace, removeIfThere } from "../../files/replace.ts";
import { writeAll } from "../../files/write_all.ts";

/** Below this nothing is summed up. */
const LEAST_TO_SUM_UP = 4 * 1024 * 1024;
const PIECE = 256 * 1024;

/** What a file is now: as far as it is known. */
interface Place {
  /** null where the system has no such numbers. */
  readonly ino: number | null;
  readonly size: number;
}

/** What others have written since the last time. */
export interface News {
  /** All lines of the file were told, not the new ones alone: it is another file, or was never read. */
  readonly anew: boolean;
  /** Bytes of a line that a crash had cut off; they are gone now. */
  readonly torn: number;
  /** Lines that say nothing. */
  readonly odd: number;
  /** The first of them, from 1; null without any. */
  readonly firstOdd: number | null;
  /** Why the own lines could not be appended; nothing of them is in the file then. */
  readonly failed: unknown;
}

const NOTHING: News = { anew: false, torn: 0, odd: 0, firstOdd: null, failed: null };

export class UsageFile {
  #known: Place | null = null;
  /** Size from which on it is worth to sum it up. */
  #tooLong = LEAST_TO_SUM_UP;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(readonly path: string) {}

  /** Whether it has grown so long that summing it up makes it much shorter. */
  get isLong(): boolean {
    return this.#known !== null && this.#known.size > this.#tooLong;
  }

  /**
   * Tells `onLine` what others have written, and appends `text`, whole lines. Throws where the file
   * cannot be read; `onLine` may have been called then.
   */
  exchange(text: string, onLine: (line: Line) => void): Promise<News> {
    return this.#alone(async () => {
      if (text === "" && await this.#isAsKnown()) return NOTHING;
      using file = await openLocked(this.path, text !== "");
      return file === null ? NOTHING : await this.#exchange(file, text, onLine);
    });
  }

  /** All lines of it are told with the next exchange. */
  readAnew(): void {
    void this.#alone(() => {
      this.#known = null;
      return Promise.resolve();
    });
  }

  /**
   * Puts one line in the place of all that say the same thing, rows as `changed` has them. What is appended
   * meanwhile stays.
   */
  async sumUp(
    onLine: (line: Line) => void,
    changed: (row: Row) => Row = (row) => row,
  ): Promise<News> {
    const from = this.#known;
    if (from === null) return NOTHING;
    const short = `${this.path}.${Deno.pid}.new`;
    try {
      await sumUp(this.path, from.size, short, changed);
      return await this.#alone(() => this.#replace(short, from, onLine));
    } finally {
      await removeIfThere(short);
    }
  }

  async #exchange(
    file: Deno.FsFile,
    text: string,
    onLine: (line: Line) => void,
  ): Promise<News> {
    const { ino, size } = await file.stat();
    const before = this.#known;
    const isSame = before !== null && before.ino === ino && before.size <= size;
    const from = isSame ? before.size : 0;
    const { end, odd, firstOdd } = await readLines(file, from, size, onLine);
    // Whoever writes has the lock: half a line is what a crash has left.
    if (end < size) await Deno.truncate(this.path, end);
    this.#known = { ino, size: end };
    const told = { anew: !isSame, torn: size - end, odd, firstOdd };
    try {
      this.#known = { ino, size: end + await append(file, this.path, text, end) };
    } catch (failed) {
      return { ...told, failed };
    }
    return { ...told, failed: null };
  }

  async #replace(short: string, from: Place, onLine: (line: Line) => void): Promise<News> {
    using file = await openLocked(this.path, false);
    if (file === null) return NOTHING;
    const news = await this.#exchange(file, "", onLine);
    // Another process was faster.
    if (news.anew || this.#known === null) return news;
    {
      using summed = await Deno.open(short, { append: true });
      await copy(file, from.size, this.#known.size, summed);
    }
    const { ino, size } = await Deno.stat(short);
    await putInPlace(short, this.path);
    this.#known = { ino, size };
    this.#tooLong = Math.max(LEAST_TO_SUM_UP, 2 * size);
    return news;
  }

  /** False as well where it is missing and was known: then it is made anew. */
  async #isAsKnown(): Promise<boolean> {
    try {
      const { ino, size } = await Deno.stat(this.path);
      return this.#known?.ino === ino && this.#known.size === size;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      this.#known = null;
      return true;
    }
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    // Whoever asked hears of it.
    this.#queue = done.catch(() => {});
    return done;
  }
}

/** Opens and locks the file that has the name at that moment; null where there is none. */
async function openLocked(path: string, create: boolean): Promise<Deno.FsFile | null> {
  for (;;) {
    const file = await openToAppend(path, create);
    if (file === null) return null;
    try {
      await file.lock(true);
      // While it was waited for, another process may have put a shorter one in its place.
      if (await isNamed(file, path)) return file;
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
  }
}

async function openToAppend(path: string, create: boolean): Promise<Deno.FsFile | null> {
  const options: Deno.OpenOptions = { read: true, append: true, create, mode: 0o640 };
  try {
    return await Deno.open(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    if (!create) return null;
    await Deno.mkdir(dirname(path), { recursive: true, mode: 0o750 });
    return await Deno.open(path, options);
  }
}

async function isNamed(file: Deno.FsFile, path: string): Promise<boolean> {
  try {
    return (await file.stat()).ino === (await Deno.stat(path)).ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Returns how many bytes were written. What fails half-way is taken back. */
async function append(
  file: Deno.FsFile,
  path: string,
  text: string,
  size: number,
): Promise<number> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  try {
    while (at < bytes.length) {
      const count = await file.write(bytes.subarray(at));
      if (count === 0) throw new Error("the file took no bytes");
      at += count;
    }
    return at;
  } catch (error) {
    // By its path: on Windows a file opened for appending cannot be cut.
    if (at > 0) await Deno.truncate(path, size);
    throw error;
  }
}

async function copy(from: Deno.FsFile, start: number, end: number, to: Deno.FsFile): Promise<void> {
  const piece = new Uint8Array(PIECE);
  await from.seek(start, Deno.SeekMode.Start);
  for (let at = start; at < end;) {
    const count = await from.read(piece.subarray(0, Math.min(PIECE, end - at)));
    if (count === null) throw new Error("the file has become shorter");
    await writeAll(to, piece.subarray(0, count));
    at += count;
  }
}
