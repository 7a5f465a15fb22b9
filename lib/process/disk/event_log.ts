// Keeps the events of the process on the disk, and shows those of the one before. What happens again and again
// is written once a second, not each time.

import type { EventFeed, FeedEvent } from "../../observe/event_feed.ts";
import { moveEvents, readEvents, writeEvents } from "../../observe/event_file.ts";
import { logger } from "../../observe/log.ts";
import type { Snapshots } from "../snapshots.ts";
import { fileWords } from "../../observe/file_words.ts";

const WRITE_MS = 1000;
/** Those of before the start that are shown. */
const SHOWN = 500;
/** Those that may wait for a disk that refuses them; the oldest give way. */
const MAX_WAITING = 1000;

export class EventLog {
  readonly #run = Date.now();
  /** What is to be written, by id: an event that goes on is written as it is last. */
  readonly #waiting = new Map<number, FeedEvent>();
  readonly #timer: ReturnType<typeof setInterval>;
  #writing: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(private readonly snapshots: Snapshots, private readonly feed: EventFeed) {
    feed.listen((event) => this.#waiting.set(event.id, event));
    this.#timer = setInterval(() => void this.#flush(), WRITE_MS);
    Deno.unrefTimer(Number(this.#timer));
  }

  /** Takes over what happened before the start. */
  async restore(): Promise<void> {
    try {
      this.feed.restore(await readEvents(this.#dataDir, SHOWN));
    } catch (error) {
      this.#tell(error);
    }
  }

  /** Writes the rest. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#flush();
  }

  get #dataDir(): string {
    return this.snapshots.config.dataDir;
  }

  #flush(): Promise<void> {
    return this.#writing = this.#writing.then(async () => {
      if (this.#waiting.size === 0) return;
      const dataDir = this.#dataDir;
      const events = [...this.#waiting.values()];
      this.#waiting.clear();
      try {
        await writeEvents(dataDir, this.#run, events);
      } catch (error) {
        this.#keep(events);
        this.#tell(error);
        return;
      }
      await this.#move(dataDir);
    });
  }

  /** What is written stays so, whatever becomes of the file that has grown long. */
  async #move(dataDir: string): Promise<void> {
    try {
      await moveEvents(dataDir);
      this.#failed = false;
    } catch (error) {
      // Another gateway, which takes over, has moved it.
      if (!(error instanceof Deno.errors.NotFound)) this.#tell(error);
    }
  }

  /** What was refused is tried again, in its place before what came meanwhile. */
  #keep(refused: readonly FeedEvent[]): void {
    const later = [...this.#waiting.values()];
    this.#waiting.clear();
    // Of an event that went on meanwhile the newest counts.
    for (const event of [...refused, ...later]) this.#waiting.set(event.id, event);
    for (const id of this.#waiting.keys()) {
      if (this.#waiting.size <= MAX_WAITING) return;
      this.#waiting.delete(id);
    }
  }

  #tell(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    logger.warning("the file of events cannot be kept as it should be: {error}", {
      error: fileWords(error),
    });
  }
}
