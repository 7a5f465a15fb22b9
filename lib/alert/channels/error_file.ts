// Alerts in data/errors/YYYYMMDD_HH.log, one line each, for people and programs that read files.

import { join } from "node:path";
import { hourName } from "../../observe/hour_name.ts";
import type { Alert, AlertChannel } from "../alert.ts";
import { KINDS } from "../kinds.ts";
import { localIso } from "../local_time.ts";

export class ErrorFileChannel implements AlertChannel {
  readonly name = "error_file";

  constructor(private readonly dataDir: () => string) {}

  async send(alert: Alert): Promise<void> {
    const folder = join(this.dataDir(), "errors");
    await Deno.mkdir(folder, { recursive: true, mode: 0o750 });
    const path = join(folder, `${hourName(alert.time)}.log`);
    await Deno.writeTextFile(path, `${errorLine(alert)}\n`, { append: true, mode: 0o640 });
  }
}

function errorLine(alert: Alert): string {
  const more = alert.suppressed > 0 ? ` suppressed=${alert.suppressed}` : "";
  // deno-lint-ignore no-control-regex -- one alert is one line, whatever an instance said
  const message = alert.message.replace(/[\u0000-\u001f\u007f]+/g, " ");
  // The kinds that only ever end something say so by their name.
  const over = alert.resolved && KINDS[alert.kind].ends ? " state=resolved" : "";
  return `${localIso(alert.time)} ${alert.kind} instance=${alert.subject}${over} ` +
    `count=${alert.count}${more} error=${JSON.stringify(message)}`;
}
