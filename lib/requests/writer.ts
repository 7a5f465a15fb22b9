// The writer of all requests. The line of one that has ended is made at once, so that nothing of the request
// outlives it; lines are written in batches a moment later. A disk that is full or gone costs lines, never a
// request.

import { join } from "node:path";
import { hourFile } from "../observe/hour_files.ts";
import { hourName } from "../observe/hour_name.ts";
import { type Keep, keepWithin } from "../observe/keep.ts";
import type { Report } from "../observe/report.ts";
import { TextBuffer } from "../observe/text_buffer.ts";
import { appendPrivately } from "../observe/line_file.ts";
import { storyOf } from "./story.ts";

/** Below the data folder. */
export const REQUESTS_FOLDER = "requests";

export interface RequestWriterOptions {
  readonly dataDir: string;
  readonly enabled: boolean;
  readonly keep: Keep;
}

export interface RequestWriterParts {
  /** Wall clock: names the hour's file. */
  now(): Date;
  /** The time that ages are told by (observe/age_clock.ts). */
  ageNow(): Date;
  /** A batch could not be written. `lost` lines are gone. */
  onError(error: unknown, lost: number): void;
  /** Lines are written again after an error, or are not to be written any more. */
  onWritten?(): void;
  /** Files that are too old, or too much, could not be taken away. No line is lost by that. */
  onNotForgotten(error: unknown): void;
}

const GATHER_MS = 200;
/** Lines that may wait for a slow disk. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;
/** Old files are looked for when so much was written. */
const LOOK_BYTES = 8 * 1024 * 1024;

export class RequestWriter {
  #options: RequestWriterOptions;
  /** Lines that wait, and how many; the other buffer is being written, or empty. */
  #waiting = new TextBuffer();
  #lines = 0;
  #other = new TextBuffer();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #running: Promise<void> | null = null;
  #hour = "";
  #sinceLook = 0;
  #dropped = 0;
  #isFailing = false;

  constructor(options: RequestWriterOptions, private readonly parts: RequestWriterParts) {
    this.#options = options;
  }

  configure(options: RequestWriterOptions): void {
    this.#options = options;
    // What may be kept may be less than before.
    this.#hour = "";
    // What waits is written all the same, and tells if that fails.
    if (!options.enabled) this.#succeed();
  }

  /** On the way of every request. */
  add(report: Report): void {
    if (!this.#options.enabled) return;
    if (this.#waiting.length >= MAX_WAITING_BYTES) {
      this.#dropped++;
      return;
    }
    this.#waiting.append(`${JSON.stringify(storyOf(report))}\n`);
    this.#lines++;
    this.#gather();
  }

  /** Resolves when what was added so far is written or lost. */
  async flush(): Promise<void> {
    // What is being written was added before.
    if (this.#lines > 0 && this.#running !== null) await this.#running;
    if (this.#lines > 0) this.#begin();
    await this.#running;
  }

  /** Each write is six calls of the file system: what comes while one is under way waits for others, too. */
  #gather(): void {
    if (this.#timer !== null || this.#running !== null) return;
    this.#timer = setTimeout(() => this.#begin(), GATHER_MS);
  }

  #begin(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    // Here and not in the write, which may fail before there is a promise of it.
    this.#running ??= this.#write().finally(() => {
      this.#running = null;
      if (this.#lines > 0) this.#gather();
    });
  }

  async #write(): Promise<void> {
    const [batch, lines] = [this.#waiting, this.#lines];
    this.#waiting = this.#other;
    this.#other = batch;
    this.#lines = 0;
    try {
      const now = this.parts.now();
      const folder = join(this.#options.dataDir, REQUESTS_FOLDER);
      const path = hourFile(folder, hourName(now));
      const bytes = batch.bytes();
      await appendPrivately(path, bytes);
      this.#sinceLook += bytes.length;
      if (this.#dropped > 0) this.#fail(new Error("the disk is too slow"), 0);
      else this.#succeed();
      await this.#forget(path, folder, now);
    } catch (error) {
      this.#fail(error, lines);
    } finally {
      batch.clear();
      // Nothing more comes that could tell of an end.
      if (!this.#options.enabled && this.#lines === 0) this.#succeed();
    }
  }

  async #forget(path: string, folder: string, now: Date): Promise<void> {
    if (this.#hour === path && this.#sinceLook < LOOK_BYTES) return;
    this.#hour = path;
    this.#sinceLook = 0;
    try {
      await keepWithin(folder, this.#options.keep, now, this.parts.ageNow());
    } catch (error) {
      this.parts.onNotForgotten(error);
    }
  }

  #fail(error: unknown, lines: number): void {
    this.#isFailing = true;
    this.parts.onError(error, lines + this.#dropped);
    this.#dropped = 0;
  }

  #succeed(): void {
    if (this.#isFailing) this.parts.onWritten?.();
    this.#isFailing = false;
  }
}
