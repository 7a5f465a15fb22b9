// The one writer of records. A finished request is only put into its queue; assembling, serialising
// and writing happen between requests, in short slices and large batches. A disk that is full or gone
// costs records once the queue is full, and never a request.

import { join } from "node:path";
import { dialectOf } from "../api/dialects.ts";
import { assembleInSteps } from "../sse/assemble/assemble.ts";
import { hourName } from "../observe/hour_name.ts";
import { TextBuffer } from "../observe/text_buffer.ts";
import { EventStore } from "../sse/event_store.ts";
import type { Answer } from "../sse/assemble/answer.ts";
import type { Capture } from "./capture.ts";
import { type RecordFormat, recordsOf } from "./record.ts";
import { LongTexts } from "./long_texts.ts";
import { appendLines, mendNewest } from "./record_file.ts";

export interface RecordWriterOptions {
  dataDir: string;
  format: RecordFormat;
  /** Captures that may wait; above it they are dropped. */
  queueMax: number;
  /** Bytes that waiting captures may take; 256 MiB when missing. */
  queueMaxBytes?: number;
  /** Names the hour's file by its local time. */
  now?: () => Date;
  /** `count` captures were dropped. */
  onDrop(count: number): void;
  /** A write failed and will be tried again, or one capture could not be turned into a record. */
  onError(error: unknown): void;
}

export interface RecordStats {
  /** Lines on the disk. */
  written: number;
  /** Captures that there was no room for. */
  dropped: number;
  /** Writes that failed, and captures that could not be turned into a record. */
  failed: number;
  /** Captures that wait, assembled or not. */
  queued: number;
}

type Folder = "requests_responses" | "incomplete";
const FOLDERS: readonly Folder[] = ["requests_responses", "incomplete"];

const QUEUE_MAX_BYTES = 256 * 1024 * 1024;
/** How long captures gather before they are written, so that one write takes many. */
const GATHER_MS = 20;
/** Longest time that others are kept waiting in one go. */
const SLICE_MS = 3;
/** Serialised bytes after which a batch is written. */
const BATCH_BYTES = 4 * 1024 * 1024;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/** Files looked at for a torn line: the one being written, and the one before a change of the hour. */
const NEWEST = 2;

/** Serialised lines that wait for their file. */
interface Batch {
  readonly text: TextBuffer;
  lines: number;
  captures: number;
}

export class RecordWriter {
  #options: RecordWriterOptions;
  #queue: Capture[] = [];
  #queueBytes = 0;
  readonly #batches: Record<Folder, Batch> = {
    requests_responses: emptyBatch(),
    incomplete: emptyBatch(),
  };
  /** Captures out of the queue that are not on the disk yet. */
  #underway = 0;
  #written = 0;
  #dropped = 0;
  #failed = 0;
  /** Sizes of the files as this writer left them. */
  readonly #sizes = new Map<string, number>();
  #mendedDir: string | null = null;
  #running: Promise<void> | null = null;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;
  /** flush() is waiting: do not gather, do not wait for the next try. */
  #hurry = false;
  #endPause: (() => void) | null = null;

  /** Begins by mending what an earlier run left. */
  constructor(options: RecordWriterOptions) {
    this.#options = options;
    this.#start();
  }

  /** Takes a capture and returns at once. Its bytes belong to the writer from now on. */
  offer(capture: Capture): void {
    const size = sizeOf(capture);
    const { queueMax, queueMaxBytes = QUEUE_MAX_BYTES } = this.#options;
    const full = this.#queue.length + this.#underway >= queueMax ||
      this.#queueBytes + this.#batchBytes() + size > queueMaxBytes;
    if (this.#closed || full) {
      this.#drop(1);
      return;
    }
    this.#queue.push(capture);
    this.#queueBytes += size;
    this.#start();
  }

  /** Takes effect with the next batch; a writer that waits for a full disk tries again at once. */
  configure(options: Pick<RecordWriterOptions, "dataDir" | "format" | "queueMax">): void {
    this.#options = { ...this.#options, ...options };
    this.#retryMs = FIRST_RETRY_MS;
    this.#endPause?.();
  }

  /** Resolves when what was offered so far is on the disk, or the disk has refused it once more. */
  async flush(): Promise<void> {
    this.#hurry = true;
    this.#endPause?.();
    try {
      this.#start();
      await this.#running;
    } finally {
      this.#hurry = false;
    }
    if (this.stats().queued > 0 && !this.#closed) this.#start();
  }

  /** Writes what waits, tries once, and ends. What cannot be written counts as dropped. */
  async close(): Promise<void> {
    this.#closed = true;
    // A run that was in the pause after a failure ends with it; the last try is a run of its own.
    await this.flush();
    const lost = this.stats().queued;
    this.#queue = [];
    this.#queueBytes = 0;
    this.#underway = 0;
    for (const folder of FOLDERS) this.#batches[folder] = emptyBatch();
    if (lost > 0) this.#drop(lost);
  }

  stats(): RecordStats {
    return {
      written: this.#written,
      dropped: this.#dropped,
      failed: this.#failed,
      queued: this.#queue.length + this.#underway,
    };
  }

  #start(): void {
    if (this.#running !== null) return;
    this.#running = this.#run();
  }

  /** Works until nothing waits, or, when somebody waits for it, until the disk refuses. */
  async #run(): Promise<void> {
    let refused = false;
    try {
      for (;;) {
        if (!this.#hurry) await this.#pause(refused ? this.#retryMs : GATHER_MS);
        if (refused) this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
        refused = !(await this.#mendOnce() && await this.#round());
        if (refused && this.#hurry) return;
        if (refused) continue;
        this.#retryMs = FIRST_RETRY_MS;
        if (this.#queue.length === 0) return;
      }
    } finally {
      // Here and not after the promise: an offer in between would find nobody working.
      this.#running = null;
    }
  }

  /** Fills a batch and writes it; false when the disk refused. */
  async #round(): Promise<boolean> {
    await this.#fill();
    let taken = true;
    for (const folder of FOLDERS) taken = await this.#write(folder) && taken;
    return taken;
  }

  async #mendOnce(): Promise<boolean> {
    const { dataDir } = this.#options;
    if (this.#mendedDir === dataDir) return true;
    try {
      for (const folder of FOLDERS) await mendNewest(dataDir, folder, NEWEST);
      this.#mendedDir = dataDir;
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** Turns captures into lines until the batch is large enough. */
  async #fill(): Promise<void> {
    let sliceEnd = performance.now() + SLICE_MS;
    while (this.#queue.length > 0 && this.#batchBytes() < BATCH_BYTES) {
      const capture = this.#queue.shift()!;
      this.#queueBytes -= sizeOf(capture);
      this.#underway++;
      const steps = assembleInSteps(dialectOf(capture.api).assembler(), capture.response);
      try {
        let step = steps.next();
        for (let count = 1; !step.done; count++) {
          if (count % 16 === 0 && performance.now() > sliceEnd) {
            await others();
            sliceEnd = performance.now() + SLICE_MS;
          }
          step = steps.next();
        }
        this.#shape(capture, step.value);
      } catch (error) {
        // One odd capture must not hold up the others.
        this.#underway--;
        this.#fail(error);
      }
      if (performance.now() > sliceEnd) {
        await others();
        sliceEnd = performance.now() + SLICE_MS;
      }
    }
  }

  /** Adds the lines of one capture; those of a complete one without parsing its long texts. */
  #shape(capture: Capture, answer: Answer): void {
    const { format } = this.#options;
    const long = capture.outcome === "complete" ? LongTexts.in(capture.requestBody) : null;
    if (long !== null) {
      const { complete, lines } = recordsOf({ ...capture, requestBody: long.body }, answer, format);
      const restored = lines.map((line) => long.restore(lineOf(line)));
      if (restored.every((pieces) => pieces !== null)) return this.#add(complete, restored);
    }
    const { complete, lines } = recordsOf(capture, answer, format);
    this.#add(complete, lines.map((line) => [lineOf(line)]));
  }

  #add(complete: boolean, lines: readonly (readonly (string | Uint8Array)[])[]): void {
    const batch = this.#batches[complete ? "requests_responses" : "incomplete"];
    for (const pieces of lines) {
      for (const piece of pieces) {
        if (typeof piece === "string") batch.text.append(piece);
        else batch.text.appendBytes(piece);
      }
      batch.lines++;
    }
    batch.captures++;
  }

  #batchBytes(): number {
    return this.#batches.requests_responses.text.length + this.#batches.incomplete.text.length;
  }

  async #write(folder: Folder): Promise<boolean> {
    const batch = this.#batches[folder];
    if (batch.lines === 0) return true;
    const { dataDir, now = () => new Date() } = this.#options;
    const path = join(dataDir, folder, `${hourName(now())}.jsonl`);
    try {
      const size = await appendLines(dataDir, path, batch.text.bytes(), this.#sizes.get(path));
      for (const known of this.#sizes.keys()) {
        // The file of an hour that is over.
        if (known !== path && known.startsWith(join(dataDir, folder))) this.#sizes.delete(known);
      }
      this.#sizes.set(path, size);
    } catch (error) {
      this.#sizes.delete(path);
      this.#fail(error);
      return false;
    }
    this.#written += batch.lines;
    this.#underway -= batch.captures;
    batch.text.clear();
    batch.lines = batch.captures = 0;
    return true;
  }

  #drop(count: number): void {
    this.#dropped += count;
    this.#options.onDrop(count);
  }

  #fail(error: unknown): void {
    this.#failed++;
    this.#options.onError(error);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#endPause = null;
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#endPause = end;
    });
  }
}

function emptyBatch(): Batch {
  return { text: new TextBuffer(), lines: 0, captures: 0 };
}

function sizeOf({ requestBody, response }: Capture): number {
  const answer = response instanceof EventStore ? response.size : response?.length ?? 0;
  return requestBody.length + answer;
}

/** Lets whatever else is due run. */
function others(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

const LINE_ENDS = /[\u0085\u2028\u2029]/;

/** JSON on one line, also for readers to whom U+0085, U+2028 and U+2029 end a line (Python's). */
function lineOf(record: object): string {
  const json = JSON.stringify(record);
  if (!LINE_ENDS.test(json)) return `${json}\n`;
  return `${
    json.replaceAll(
      new RegExp(LINE_ENDS, "g"),
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
    )
  }\n`;
}
