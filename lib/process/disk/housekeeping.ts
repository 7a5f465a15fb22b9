// Looks after files of hours that are over: packs them where that is wanted, and deletes what is older or
// more than may be kept, and what a process that was killed has left of writing files anew. What is kept of requests is looked after by their writer.

import { FLAGGED_FOLDER } from "../../record/record_file.ts";
import { join } from "node:path";
import { usageFolder } from "../../caller/usage/files.ts";
import { removeLeftOvers } from "../../files/left_overs.ts";
import { hourFile, hoursOf } from "../../observe/hour_files.ts";
import { hourName } from "../../observe/hour_name.ts";
import { keepWithin } from "../../observe/keep.ts";
import { logger } from "../../observe/log.ts";
import { joinPacked, pack } from "../../observe/packed_file.ts";
import { REQUESTS_FOLDER } from "../../requests/writer.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";
import { fileWords } from "../../observe/file_words.ts";

/** Soon after a change of the hour is soon enough. */
const LOOK_MS = 10 * 60_000;
const FIRST_LOOK_MS = 5000;
/** What is packed is read less often from then on. */
const PACK_AFTER_MS = 86_400_000;
/** Of packing, joining, unpacking and erasing: copies of records that nobody looks for. */
const LEFT_OVERS = /^\.(?:joining|unpacked|erasing)-|\.jsonl\.gz\.new$/;
/** Beside the folders of hours: by index_keeper.ts and drained_file.ts. */
const LEFT_OVERS_ABOVE = /^(?:routing_index|drained\.json)\.\d+\.new$/;
/** Of summing usage up, and of what stands beside it (stored_file.ts). */
const LEFT_OVERS_OF_USAGE = /\.jsonl\.\d+\.new$/;

export class Housekeeping implements Reloadable {
  #timer: ReturnType<typeof setTimeout> | null = null;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** `ageNow`: the time that ages are told by (observe/age_clock.ts). */
  constructor(
    private readonly snapshots: Snapshots,
    private readonly now: () => Date,
    private readonly ageNow: () => Date,
  ) {
    snapshots.join(this);
    this.#lookIn(FIRST_LOOK_MS);
  }

  apply(_: Snapshot): void {
    this.#lookIn(FIRST_LOOK_MS);
  }

  /** Does now what is to be done. */
  look(): Promise<void> {
    return this.#running = this.#running.then(() => this.#look());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running;
  }

  #lookIn(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = setTimeout(async () => {
      await this.look();
      this.#lookIn(LOOK_MS);
    }, ms);
    Deno.unrefTimer(Number(this.#timer));
  }

  async #look(): Promise<void> {
    const { dataDir, record, requests } = this.snapshots.config;
    const folders = [
      { folder: join(dataDir, "requests_responses"), keep: record.keep },
      { folder: join(dataDir, "incomplete"), keep: record.keepIncomplete },
      { folder: join(dataDir, FLAGGED_FOLDER), keep: record.keep },
      { folder: join(dataDir, REQUESTS_FOLDER), keep: requests.keep },
    ];
    await this.#tidy(dataDir, () => removeLeftOvers(dataDir, LEFT_OVERS_ABOVE));
    const usage = usageFolder(dataDir);
    await this.#tidy(usage, () => removeLeftOvers(usage, LEFT_OVERS_OF_USAGE));
    for (const { folder, keep } of folders) {
      await this.#tidy(folder, () => removeLeftOvers(folder, LEFT_OVERS));
      await this.#tidy(folder, async () => {
        for (const name of await keepWithin(folder, keep, this.now(), this.ageNow())) {
          logger.info("{path} is deleted: it is older or more than may be kept", {
            path: join(folder, name),
          });
        }
        if (record.compress === "gzip") await this.#packOld(folder);
      });
    }
  }

  /** What goes wrong in one folder is told, and keeps none of the others. */
  async #tidy(folder: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      logger.error("{folder} cannot be tidied up: {error}", { folder, error: fileWords(error) });
    }
  }

  async #packOld(folder: string): Promise<void> {
    const now = Math.min(this.now().getTime(), this.ageNow().getTime());
    const newest = hourName(new Date(now - PACK_AFTER_MS));
    for (const hour of await hoursOf(folder)) {
      if (this.#isClosed) return;
      const path = hourFile(folder, hour);
      if (hour >= newest || !await isThere(path)) continue;
      await joinPacked(path);
      await pack(path);
    }
  }
}

/** Not what a symlink leads to: whoever keeps records elsewhere looks after them there. */
async function isThere(path: string): Promise<boolean> {
  try {
    return (await Deno.lstat(path)).isFile;
  } catch (error) {
    // Packed already, or not yet.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
