// The store of all requests as the process has it: follows the configuration, takes what finished requests
// said, and tells people what it could not write.

import { join } from "node:path";
import type { Turns } from "../../http/turns.ts";
import type { AgeClock } from "../../observe/age_clock.ts";
import { logger } from "../../observe/log.ts";
import type { Report } from "../../observe/report.ts";
import { browseRequests, findRequest, type RequestPage } from "../../requests/browse.ts";
import type { RequestFilter } from "../../requests/filter.ts";
import type { Story } from "../../requests/story.ts";
import { REQUESTS_FOLDER, RequestWriter } from "../../requests/writer.ts";
import type { Bulletin } from "../alerts/bulletin.ts";
import type { ReportReader } from "../finished_requests.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";
import { fileWords } from "../../observe/file_words.ts";

const SUBJECT = "requests";

export class RequestLog implements ReportReader, Reloadable {
  readonly #writer: RequestWriter;
  /** Lines since people were told last of how many. */
  #lost = 0;

  constructor(private readonly snapshots: Snapshots, bulletin: Bulletin, ages: AgeClock) {
    this.#writer = new RequestWriter(optionsOf(snapshots.current), {
      now: () => new Date(),
      ageNow: () => ages.now(),
      onError: (error, lost) => {
        const message = fileWords(error);
        this.#lost += lost;
        bulletin.raise("records_failed", SUBJECT, `${message}; lines lost: ${this.#lost}`);
      },
      onWritten: () => {
        const { enabled } = snapshots.config.requests;
        const message = enabled ? "requests are written again" : "requests are not kept any more";
        const lost = this.#lost > 0 ? `; lines lost: ${this.#lost}` : "";
        if (bulletin.end("records_failed", SUBJECT, message + lost)) this.#lost = 0;
      },
      onNotForgotten: (error) =>
        logger.error("{folder} cannot be tidied up: {error}", {
          folder: join(snapshots.config.dataDir, REQUESTS_FOLDER),
          error: fileWords(error),
        }),
    });
    snapshots.join(this);
  }

  apply(snapshot: Snapshot): void {
    this.#writer.configure(optionsOf(snapshot));
  }

  request(report: Report): void {
    this.#writer.add(report);
  }

  /** One page, the newest first. */
  async browse(
    filter: RequestFilter,
    cursor: string,
    count: number | undefined,
    turns: Turns,
  ): Promise<RequestPage> {
    await this.#writer.flush();
    return await browseRequests(this.snapshots.config.dataDir, filter, cursor, count, turns);
  }

  /** null where no such request is kept; `near` is about when it came. */
  async find(id: string, near: number | null, turns: Turns): Promise<Story | null> {
    await this.#writer.flush();
    return await findRequest(this.snapshots.config.dataDir, id, near, turns);
  }

  /** Writes the rest. */
  close(): Promise<void> {
    return this.#writer.flush();
  }
}

function optionsOf({ config: { dataDir, requests } }: Snapshot) {
  return { dataDir, ...requests };
}
