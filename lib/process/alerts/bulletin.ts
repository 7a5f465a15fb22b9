// What happened, told once to all who want to know: the feed for those who look, the counts of alerts,
// and the alerts themselves for people who do not look.

import type { AlertKind } from "../../alert/alert.ts";
import { KINDS } from "../../alert/kinds.ts";
import type { Scarce } from "../../machine/scarcity.ts";
import { EventFeed, type EventLevel } from "../../observe/event_feed.ts";
import type { Report } from "../../observe/report.ts";
import type { Tally } from "../../observe/tally.ts";
import type { Fleet } from "../../pool/fleet.ts";
import type { PoolEvent } from "../../pool/outlier.ts";
import { Alerting } from "./alerting.ts";
import type { ReportReader } from "../finished_requests.ts";
import { notesOf } from "../notes.ts";
import type { Snapshots } from "../snapshots.ts";

/** Where an event is not bad news. */
const LEVELS: Readonly<Record<string, EventLevel>> = {
  started: "info",
  reload: "info",
  discovery: "info",
  peers: "info",
  peers_failed: "warning",
  discovery_failed: "warning",
  drain: "info",
  undrain: "info",
  instance_recovered: "good",
  resolved: "good",
  failover: "warning",
  resume: "warning",
  fallback_in_use: "warning",
  instance_asleep: "warning",
  first_token_slow: "warning",
  key_expiring: "warning",
  key_renamed: "warning",
  limits_reset: "info",
  workers: "info",
};

export class Bulletin implements ReportReader {
  readonly feed = new EventFeed();
  readonly #alerting: Alerting;

  constructor(snapshots: Snapshots, private readonly tally: Tally, fleet: () => Fleet) {
    this.#alerting = new Alerting({
      config: snapshots.config,
      fleet,
      onTrouble: (kind, subject, message) => this.raise(kind, subject, message),
      onEnd: (kind, subject, message) => this.#noteEnd(kind, subject, message),
    });
    snapshots.join(this.#alerting);
  }

  /** Shows it to those who look, `count` times at once. */
  note(kind: string, subject: string, message: string, count = 1): void {
    this.feed.add(kind, LEVELS[kind] ?? "bad", subject, message, count);
  }

  /** Tells people, and those who look. `count` errors led to it; it happened so many `times`. */
  raise(kind: AlertKind, subject: string, message: string, count = 1, times = count): void {
    this.note(kind, subject, message, times);
    this.tally.alert(kind, times);
    this.#alerting.raise(kind, subject, message, count);
  }

  /** Trouble of this kind is over, where there was any. True where people are told of it. */
  end(kind: AlertKind, subject: string, message: string): boolean {
    return this.#alerting.end(kind, subject, message);
  }

  request(report: Report): void {
    for (const { kind, subject, message } of notesOf(report)) this.note(kind, subject, message);
    this.#alerting.request(report);
  }

  /** The system has refused a connection. */
  scarce(what: Scarce): void {
    this.#alerting.scarce(what);
  }

  /** What the pool has decided about an instance. */
  poolEvent({ kind, instance, message, count }: PoolEvent): void {
    this.tally.poolEvent(kind, instance);
    if (kind === "instance_recovered") {
      this.note(kind, instance, message);
      this.tally.alert(kind);
      this.end(kind, instance, message);
    } else this.raise(kind, instance, message, count, 1);
    this.#alerting.lookAtModels();
  }

  /** Sends what waits, within a few seconds. */
  close(): Promise<void> {
    return this.#alerting.close();
  }

  #noteEnd(kind: AlertKind, subject: string, message: string): void {
    // An instance that has recovered is shown whether people were told or not.
    if (kind === "instance_recovered") return;
    this.note("resolved", subject, `${KINDS[kind].title}: ${message}`);
  }
}
