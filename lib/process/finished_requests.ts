// What happens when a request ends, wherever it was served: each reader of its report hears of it.

import type { Report } from "../observe/report.ts";
import type { Content } from "../record/capture.ts";

/** Something that is made of finished requests: log lines, counts, alerts, records. */
export interface ReportReader {
  /** On the way of every request: reads what it needs and returns. `content`: what is recorded of it. */
  request(report: Report, content: Content | null): void;
}

export class FinishedRequests {
  /** `readers` hear in their order. */
  constructor(private readonly readers: readonly ReportReader[]) {}

  /** Tells of one request. Called by the serving isolate, and for what its workers have sent. */
  readonly tell = (report: Report, content: Content | null): void => {
    for (const reader of this.readers) reader.request(report, content);
  };
}
