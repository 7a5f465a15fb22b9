// The one writer of records. The lines of a small whole answer are made at once, so that nothing of its request
// outlives it. Any other finished request is only put into a queue: assembling and serialising happen between
// requests, in short slices, or in an isolate of their own where a slice would be long. A disk that is full or
// gone costs records once the queue is full, and never a request.

import { EventStore } from "../sse/event_store.ts";
import { BackgroundAnswers, isFetch } from "./background.ts";
import { type Capture, sizeOf } from "./capture.ts";
import type { RecordFormat } from "./record.ts";
import { FLAGGED_FOLDER } from "./record_file.ts";
import { HeavyQueue } from "./shape/heavy_queue.ts";
import { type Result, shapeInSteps, shapeUnparsed } from "./shape/shape.ts";
import { Shaper } from "./shape/shaper.ts";
import { isHeavy } from "./shape/weight.ts";
import { type Folder, WriteBuffer } from "./write_buffer.ts";

export interface RecordWriterOptions {
  dataDir: string;
  format: RecordFormat;
  /** Captures that may wait; above it they are dropped. */
  queueMax: number;
  /** Bytes that captures may take until they are on the disk. */
  queueMaxBytes: number;
  /**
   * The module that calls runShaper in an isolate called SHAPER, for captures that are too heavy to be
   * parsed here; null to record those as the text that they are.
   */
  shaper: string | null;
  /** Names the hour's file by its local time. */
  now?: () => Date;
  /** `count` captures were dropped: the queue had no room, or the writer ended before the disk took them. */
  onDrop(count: number, why: "full" | "ended"): void;
  /** A write failed and will be tried again. */
  onError(error: unknown): void;
  /** One capture could not be turned into a record, and is none. */
  onUnfit(error: unknown): void;
  /** Records are written again after an error. */
  onWritten?(): void;
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

/** How long captures gather before they are written, so that one write takes many. */
const GATHER_MS = 20;
/** Longest time that others are kept waiting in one go. */
const SLICE_MS = 3;
/** Serialised bytes after which a batch is written. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** Request and answer of a record that is made at once: some tens of microseconds. */
const SMALL_BYTES = 16 * 1024;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;

export class RecordWriter {
  #options: RecordWriterOptions;
  #queue: Capture[] = [];
  #queueBytes = 0;
  readonly #buffer: WriteBuffer;
  readonly #background = new BackgroundAnswers();
  /** null where there is no isolate for what is heavy. */
  readonly #heavy: HeavyQueue | null;
  /** Captures out of the queue that are not on the disk yet. */
  #underway = 0;
  #written = 0;
  #dropped = 0;
  #failed = 0;
  /** Nothing was written since a write was refused. */
  #isFailing = false;
  #running: Promise<void> | null = null;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;
  /** flush() is waiting: do not gather, do not wait for the next try. */
  #hurry = false;
  #endPause: (() => void) | null = null;

  /** Begins by mending what an earlier run left. */
  constructor(options: RecordWriterOptions) {
    this.#options = options;
    this.#buffer = new WriteBuffer(options.now ?? (() => new Date()));
    this.#heavy = options.shaper === null ? null : new HeavyQueue(new Shaper(options.shaper), {
      format: () => this.#options.format,
      onUnfit: (error) => this.#unfit(error),
    });
    this.#start();
  }

  /** Takes a capture and returns at once. Its bytes belong to the writer from now on. */
  offer(capture: Capture): void {
    const size = sizeOf(capture);
    const { queueMax, queueMaxBytes } = this.#options;
    const full = this.#queue.length + this.#underway >= queueMax ||
      this.#bytes() + size > queueMaxBytes;
    if (this.#closed || full) {
      this.#drop(1, this.#closed ? "ended" : "full");
      return;
    }
    // Behind others it waits as they do: but for heavy ones, lines stand in the order in which requests ended.
    const isNext = this.#queue.length === 0 && this.#buffer.length < BATCH_BYTES;
    if (isNext && isSmall(capture)) {
      this.#underway++;
      this.#shape(capture);
    } else {
      // What waits counts by its bytes, and an object of them takes many times as much.
      capture.parsed = null;
      this.#queue.push(capture);
      this.#queueBytes += size;
    }
    this.#start();
  }

  /** Takes effect with the next batch; a writer that waits for a full disk tries again at once. */
  configure(
    options: Pick<RecordWriterOptions, "dataDir" | "format" | "queueMax" | "queueMaxBytes">,
  ): void {
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
    await this.flush();
    this.#again(...this.#background.close());
    // A run that was in the pause after a failure ends with it; the last try is a run of its own.
    await this.flush();
    const lost = this.stats().queued;
    this.#queue = [];
    this.#queueBytes = this.#underway = 0;
    this.#buffer.clear();
    this.#heavy?.close();
    if (lost > 0) this.#drop(lost, "ended");
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
        if (this.#queue.length > 0 || this.#buffer.length > 0) continue;
        if (this.#heavy === null || this.#heavy.isEmpty) return;
        // The shaper has still to do; others may be written meanwhile.
        if (this.#hurry) await this.#pause(GATHER_MS);
      }
    } finally {
      // Here and not after the promise: an offer in between would find nobody working.
      this.#running = null;
    }
  }

  /** Fills a batch and writes it; false when the disk refused. */
  async #round(): Promise<boolean> {
    await this.#fill();
    let isTaken = true;
    const { lines, captures } = await this.#buffer.write(this.#options.dataDir, (error) => {
      isTaken = false;
      this.#fail(error);
    });
    this.#written += lines;
    this.#underway -= captures;
    if (isTaken && this.#isFailing && lines > 0) {
      this.#isFailing = false;
      this.#options.onWritten?.();
    }
    return isTaken;
  }

  async #mendOnce(): Promise<boolean> {
    try {
      await this.#buffer.mendOnce(this.#options.dataDir);
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** Turns a capture into lines in one go. */
  #shape(capture: Capture): void {
    try {
      const steps = shapeInSteps(capture, this.#options.format);
      let step = steps.next();
      while (!step.done) step = steps.next();
      this.#take(capture, step.value);
    } catch (error) {
      this.#unfit(error);
    }
  }

  /** Turns captures into lines until the batch is large enough. */
  async #fill(): Promise<void> {
    if (this.#buffer.length < BATCH_BYTES) this.#takeHeavy();
    let sliceEnd = performance.now() + SLICE_MS;
    while (this.#queue.length > 0 && this.#buffer.length < BATCH_BYTES) {
      const capture = this.#queue.shift()!;
      this.#queueBytes -= sizeOf(capture);
      this.#underway++;
      if (isHeavy(capture)) {
        this.#later(capture);
        continue;
      }
      const steps = shapeInSteps(capture, this.#options.format);
      try {
        let step = steps.next();
        for (let count = 1; !step.done; count++) {
          if (count % 16 === 0 && performance.now() > sliceEnd) {
            await others();
            sliceEnd = performance.now() + SLICE_MS;
          }
          step = steps.next();
        }
        this.#take(capture, step.value);
      } catch (error) {
        // One odd capture must not hold up the others.
        this.#unfit(error);
      }
      if (performance.now() > sliceEnd) {
        await others();
        sliceEnd = performance.now() + SLICE_MS;
      }
    }
  }

  #take(capture: Capture, result: Result): void {
    switch (result.kind) {
      case "shaped":
        this.#buffer.add(folderOf(capture, result.shaped.complete), result.shaped.lines);
        if (capture.response instanceof EventStore) capture.response.release();
        return;
      case "heavy":
        this.#later(capture);
        return;
      case "pending":
        this.#underway--;
        // Whoever asks how far it is has asked nothing new.
        if (!isFetch(capture)) this.#again(...this.#background.keep(result.id, capture));
        return;
      case "fetched": {
        this.#underway--;
        // null: recorded before, or asked of another process.
        const joined = this.#background.join(result.id, capture);
        if (joined !== null) this.#again(joined);
      }
    }
  }

  /** Takes captures into the queue that had a place there before. */
  #again(...captures: readonly Capture[]): void {
    for (const capture of captures) {
      this.#queue.push(capture);
      this.#queueBytes += sizeOf(capture);
    }
  }

  /** Takes a capture that is too heavy for here. */
  #later(capture: Capture): void {
    if (this.#heavy === null) {
      const reason = "it is too large to be parsed for a record";
      const { complete, lines } = shapeUnparsed(capture, reason, this.#options.format);
      this.#buffer.add(folderOf(capture, complete), lines);
      return;
    }
    this.#heavy.add(capture);
  }

  /** Adds what was shaped elsewhere to the batches. */
  #takeHeavy(): void {
    for (const { complete, flagged, lines, bytes } of this.#heavy?.take() ?? []) {
      this.#buffer.addBytes(folderOf({ flagged }, complete), lines, bytes);
    }
  }

  /** All that waits in memory. */
  #bytes(): number {
    return this.#queueBytes + (this.#heavy?.bytes ?? 0) + this.#buffer.length;
  }

  #drop(count: number, why: "full" | "ended"): void {
    this.#dropped += count;
    this.#options.onDrop(count, why);
  }

  #fail(error: unknown): void {
    this.#failed++;
    this.#isFailing = true;
    this.#options.onError(error);
  }

  #unfit(error: unknown): void {
    this.#underway--;
    this.#failed++;
    this.#options.onUnfit(error);
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

/** What policies found something in is no training data, however whole it is. */
function folderOf({ flagged }: Pick<Capture, "flagged">, complete: boolean): Folder {
  if (flagged) return FLAGGED_FOLDER;
  return complete ? "requests_responses" : "incomplete";
}

/** Whether its record is made sooner than it would be put aside. */
function isSmall({ requestBody, response }: Capture): boolean {
  return response instanceof Uint8Array &&
    requestBody.length + response.length <= SMALL_BYTES;
}

/** Lets whatever else is due run. */
function others(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
