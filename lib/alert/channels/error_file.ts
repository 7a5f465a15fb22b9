// Alerts in data/errors/YYYYMMDD_HH.log, one line each, for people and programs that read files.

import { join } from "node:path";
import type { Alert, AlertChannel } from "../alert.ts";

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

/** `YYYYMMDD_HH` in local time. */
export function hourName(time: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${time.getFullYear()}${two(time.getMonth() + 1)}${two(time.getDate())}_${
    two(time.getHours())
  }`;
}

function errorLine(alert: Alert): string {
  const more = alert.suppressed > 0 ? ` suppressed=${alert.suppressed}` : "";
  // deno-lint-ignore no-control-regex -- one alert is one line, whatever an instance said
  const message = alert.message.replace(/[\u0000-\u001f\u007f]+/g, " ");
  return `${localIso(alert.time)} ${alert.kind} instance=${alert.subject} ` +
    `count=${alert.count}${more} error=${JSON.stringify(message)}`;
}

/** Local time with its offset, as in 2026-11-23T14:05:06+01:00. */
function localIso(time: Date): string {
  const offset = -time.getTimezoneOffset();
  const local = new Date(time.getTime() + offset * 60_000).toISOString().slice(0, 19);
  const sign = offset < 0 ? "-" : "+";
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${local}${sign}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`;
}
