// What happens when a request ends, wherever it was served: each reader of its report hears of it.

import { logger } from "../observe/log.ts";
import type { Report } from "../observe/report.ts";
import type { Content } from "../record/capture.ts";

/** Something that is made of finished requests: log lines, counts, alerts, records. */
export interface ReportReader {
  /** On the way of every request: reads what it needs and returns. `content`: what is recorded of it. */
  request(report: Report, content: Content | null): void;
}

export class FinishedRequests {
  /** `readers` hear in their order; one that throws keeps nobody else from hearing. */
  constructor(
    private readonly readers: readonly ReportReader[],
    private readonly onFault: (error: unknown) => void = (error) =>
      logger.error("a finished request was not taken in: {error}", { error }),
  ) {}

  /** Tells of one request. Called by the serving isolate, and for what its workers have sent. Never throws. */
  readonly tell = (report: Report, content: Content | null): void => {
    for (const reader of this.readers) {
      try {
        reader.request(report, content);
      } catch (error) {
        this.onFault(error);
      }
    }
  };
}
