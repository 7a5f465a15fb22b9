// Alerts as lines of the log.

import { logger } from "../../observe/log.ts";
import type { Alert, AlertChannel } from "../alert.ts";
import { KINDS } from "../kinds.ts";

export class LogChannel implements AlertChannel {
  readonly name = "log";

  send(alert: Alert): Promise<void> {
    const { kind, subject, message, count, suppressed } = alert;
    const facts = { kind, subject, message, count, suppressed };
    const text = alert.resolved && KINDS[kind].ends
      ? "alert {kind} {subject} is over: {message}"
      : "alert {kind} {subject}: {message}";
    if (alert.resolved) logger.getChild("alert").info(text, facts);
    else logger.getChild("alert").error(text, facts);
    return Promise.resolve();
  }
}
