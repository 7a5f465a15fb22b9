// Alerts as lines of the log.

import { logger } from "../../observe/log.ts";
import type { Alert, AlertChannel } from "../alert.ts";

export class LogChannel implements AlertChannel {
  readonly name = "log";

  send(alert: Alert): Promise<void> {
    const { kind, subject, message, count, suppressed } = alert;
    const facts = { kind, subject, message, count, suppressed };
    const text = "alert {kind} {subject}: {message}";
    if (kind === "instance_recovered") logger.getChild("alert").info(text, facts);
    else logger.getChild("alert").error(text, facts);
    return Promise.resolve();
  }
}
