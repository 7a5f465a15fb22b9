// The minutes of the process: gathers them, looks at the fleet when one is over, and keeps them on the disk.

import type { Turns } from "../../http/turns.ts";
import type { AgeClock } from "../../observe/age_clock.ts";
import type { EventFeed, FeedEvent } from "../../observe/event_feed.ts";
import { logger } from "../../observe/log.ts";
import {
  type Curves,
  forgetDays,
  type MinuteLine,
  type Range,
  readCurves,
  writeMinute,
} from "../../observe/minute_files.ts";
import { type Gauges, Minutes } from "../../observe/minutes.ts";
import type { Report } from "../../observe/report.ts";
import type { Fleet } from "../../pool/fleet.ts";
import type { ReportReader } from "../finished_requests.ts";
import type { Snapshots } from "../snapshots.ts";
import { fileWords } from "../../observe/file_words.ts";

const MINUTE_MS = 60_000;
/** Told in one minute at most. */
const MAX_MARKS = 20;
/** Minutes that may wait for a disk that refuses them; the oldest give way. */
const MAX_WAITING = 60;
/** Kinds that are worth a mark though nothing is wrong. */
const ALSO_MARKED = new Set(["started", "reload", "drain", "undrain", "instance_recovered"]);

export class MinuteLog implements ReportReader {
  readonly #minutes = new Minutes();
  readonly #timer: ReturnType<typeof setInterval>;
  #minute: number;
  #marks = new Set<string>();
  /** Minutes that are over and not on the disk, the oldest first. */
  #waiting: MinuteLine[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly snapshots: Snapshots,
    feed: EventFeed,
    private readonly fleet: () => Fleet,
    private readonly now: () => number,
    private readonly ages: AgeClock,
  ) {
    this.#minute = Math.floor(now() / MINUTE_MS);
    this.#timer = setInterval(() => this.#tick(), 1000);
    Deno.unrefTimer(Number(this.#timer));
    feed.listen((event) => this.#mark(event));
  }

  request(report: Report): void {
    this.#minutes.request(report);
  }

  curves(subject: string, range: Range, turns: Turns): Promise<Curves> {
    return readCurves(this.snapshots.config.dataDir, subject, range, this.now(), turns);
  }

  /** Writes the minute that has begun. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#end();
    await this.#writing;
  }

  #tick(): void {
    const minute = Math.floor(this.now() / MINUTE_MS);
    // A clock that was put back counts on from there.
    if (minute === this.#minute) return;
    this.#end();
    this.#minute = minute;
  }

  #mark({ kind, level, subject }: FeedEvent): void {
    const isWorth = level === "warning" || level === "bad" || ALSO_MARKED.has(kind);
    if (isWorth && this.#marks.size < MAX_MARKS) this.#marks.add(`${kind} ${subject}`);
  }

  #end(): void {
    const s = this.#minutes.end(gaugesOf(this.fleet()));
    const e = [...this.#marks];
    this.#marks = new Set();
    this.#waiting.push({ t: this.#minute, s, ...(e.length === 0 ? {} : { e }) });
    this.#writing = this.#writing.then(() => this.#write());
  }

  /** What is refused is tried again when the next minute is over. Never rejects. */
  async #write(): Promise<void> {
    const { dataDir } = this.snapshots.config;
    let written = false;
    for (let line = this.#waiting.shift(); line !== undefined; line = this.#waiting.shift()) {
      try {
        await writeMinute(dataDir, line);
        written = true;
      } catch (error) {
        this.#waiting.unshift(line);
        const given = this.#waiting.splice(0, this.#waiting.length - MAX_WAITING);
        logger.warning(
          given.length > 0
            ? "a minute of the history is not kept: {error}"
            : "a minute of the history waits for the disk: {error}",
          { error: fileWords(error) },
        );
        return;
      }
    }
    if (!written) return;
    try {
      await forgetDays(dataDir, Math.floor(this.ages.now().getTime() / MINUTE_MS));
    } catch (error) {
      logger.warning("old days of the history stay: {error}", { error: fileWords(error) });
    }
  }
}

function gaugesOf(fleet: Fleet): Map<string, Gauges> {
  const gauges = new Map<string, Gauges>();
  const { instances, models } = fleet;
  const inFlight = instances.reduce((sum, one) => sum + one.inFlight, 0);
  gauges.set("", { inFlight, waiting: fleet.waiting, kvUsage: null });
  for (const name of models) {
    const serving = instances.filter((one) => one.config.models.includes(name));
    gauges.set(`m:${name}`, {
      inFlight: serving.reduce((sum, one) => sum + one.inFlight, 0),
      waiting: fleet.pool(name)?.waiting ?? 0,
      kvUsage: null,
    });
  }
  const seen = new Map((fleet.routingLook()?.instances ?? []).map((one) => [one.name, one.seen]));
  for (const { name, inFlight } of instances) {
    const kvUsage = seen.get(name)?.kvUsage ?? null;
    gauges.set(`i:${name}`, { inFlight, waiting: null, kvUsage });
  }
  return gauges;
}
