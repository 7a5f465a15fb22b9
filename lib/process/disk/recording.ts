// The recorder as the process has it: follows the configuration, takes what finished requests said, and
// tells people what it could not write.

import { fileWords } from "../../observe/file_words.ts";
import type { Report } from "../../observe/report.ts";
import { captureOf, type Content, flaggedCapture, isRecorded } from "../../record/capture.ts";
import { type RecordStats, RecordWriter } from "../../record/writer.ts";
import type { Bulletin } from "../alerts/bulletin.ts";
import type { ReportReader } from "../finished_requests.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";

const SUBJECT = "records";
const DROPPED = {
  full: "the record queue is full",
  ended: "the gateway ends, and the disk has not taken what waits",
};

export class Recording implements ReportReader, Reloadable {
  readonly #writer: RecordWriter;

  constructor(snapshots: Snapshots, bulletin: Bulletin) {
    this.#writer = new RecordWriter({
      ...optionsOf(snapshots.current),
      shaper: Deno.mainModule,
      onDrop: (count, why) => bulletin.raise("records_dropped", SUBJECT, DROPPED[why], count),
      onError: (error) => bulletin.raise("records_failed", SUBJECT, fileWords(error)),
      onUnfit: (error) =>
        bulletin.raise("records_dropped", SUBJECT, `no record can be made: ${fileWords(error)}`),
      onWritten: () => bulletin.end("records_failed", SUBJECT, "records are written again"),
    });
    snapshots.join(this);
  }

  apply(snapshot: Snapshot): void {
    this.#writer.configure(optionsOf(snapshot));
  }

  /** Content comes only where recording is on (server/gateway.ts). */
  request(report: Report, content: Content | null): void {
    if (content === null) return;
    if (isRecorded(report)) this.#writer.offer(captureOf(report, content));
    const { originals } = content;
    const keepsWords = report.caller === null || report.caller.recordsWords;
    if (originals !== null && keepsWords) this.#writer.offer(flaggedCapture(report, originals));
  }

  stats(): RecordStats {
    return this.#writer.stats();
  }

  close(): Promise<void> {
    return this.#writer.close();
  }
}

function optionsOf({ config: { dataDir, record } }: Snapshot) {
  const { format, queueMax, queueMaxBytes } = record;
  return { dataDir, format, queueMax, queueMaxBytes };
}
