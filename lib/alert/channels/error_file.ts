// Alerts in data/errors/YYYYMMDD_HH.log, one line each, for people and programs that read files. What cannot be
// written waits, in order, and is tried again: a file is refused at the very moments that alerts are about.

import { join } from "node:path";
import { fileWords } from "../../observe/file_words.ts";
import { hourName } from "../../observe/hour_name.ts";
import { appendLines } from "../../observe/line_file.ts";
import { logger } from "../../observe/log.ts";
import type { Alert, AlertChannel } from "../alert.ts";
import { KINDS } from "../kinds.ts";
import { localIso } from "../local_time.ts";

/** Lines that may wait; the oldest give way. */
const MAX_WAITING = 1000;
const MODES = { file: 0o640, folder: 0o750 };

interface Line {
  /** Names the file. */
  readonly hour: string;
  readonly text: string;
}

export class ErrorFileChannel implements AlertChannel {
  readonly name = "error_file";
  #waiting: Line[] = [];
  /** Lines that gave way. */
  #left = 0;
  /** The last write was refused. */
  #isRefused = false;
  #last: Promise<void> = Promise.resolve();
  #retry: Promise<void> | null = null;

  constructor(private readonly dataDir: () => string) {}

  /** Rejects with the first refusal, and not while that goes on. The line waits either way. */
  send(alert: Alert): Promise<void> {
    this.#waiting.push({ hour: hourName(alert.time), text: `${errorLine(alert)}\n` });
    this.#makeRoom();
    return this.#write();
  }

  /** To be called once a second: writes what was refused, if it is taken now. Never rejects. */
  retry(): Promise<void> {
    if (!this.#isRefused) return Promise.resolve();
    // A disk that hangs has one that waits for it.
    // Whoever gave the line has heard of the refusal.
    return this.#retry ??= this.#write().catch(() => {}).finally(() => this.#retry = null);
  }

  /** Tries once more. What is refused then is in the log alone. */
  async close(): Promise<void> {
    // A refusal is told below, with what it costs.
    await this.#write().catch(() => {});
    const alerts = this.#waiting.length + this.#left;
    if (alerts > 0) tell("{alerts} alerts are in this log alone: the error file took none", alerts);
  }

  /** One after the other: lines stand in the order of their alerts. */
  #write(): Promise<void> {
    const done = this.#last.then(() => this.#writeWaiting());
    // Whoever asked hears of it.
    this.#last = done.catch(() => {});
    return done;
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const { hour } = this.#waiting[0];
      const end = this.#waiting.findIndex((line) => line.hour !== hour);
      const batch = this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
      const path = join(this.dataDir(), "errors", `${hour}.log`);
      try {
        const text = batch.map((line) => line.text).join("");
        await appendLines(path, new TextEncoder().encode(text), MODES);
      } catch (error) {
        this.#waiting.unshift(...batch);
        this.#makeRoom();
        if (this.#isRefused) return;
        this.#isRefused = true;
        throw new Error(`${fileWords(error)}; what it could not take waits and is tried again`);
      }
    }
    this.#isRefused = false;
    if (this.#left > 0) {
      tell("{alerts} alerts are in this log alone: too many waited for the error file", this.#left);
    }
    this.#left = 0;
  }

  #makeRoom(): void {
    while (this.#waiting.length > MAX_WAITING) {
      this.#waiting.shift();
      this.#left++;
    }
  }
}

function tell(message: string, alerts: number): void {
  logger.getChild("alert").error(message, { alerts });
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
