// Everything about alerts that one gateway process owns: what watches for trouble, what decides whether
// to tell, and the channels that carry it.

import type { AlertKind } from "../../alert/alert.ts";
import { Alerts } from "../../alert/alerts.ts";
import type { Bell } from "../../alert/bell.ts";
import { ErrorFileChannel } from "../../alert/channels/error_file.ts";
import { LogChannel } from "../../alert/channels/log.ts";
import { systemClock } from "../../alert/clock.ts";
import type { Failure } from "../../alert/delivery.ts";
import { DiskWatch } from "../../alert/disk_watch.ts";
import { fallbacksOf, incidentOf } from "../../alert/incident.ts";
import { Outlets } from "../../alert/outlets.ts";
import { ScarcityWatch } from "../../alert/scarcity_watch.ts";
import { kindsEndedBy } from "../../alert/kinds.ts";
import { PolicyWatch } from "../../alert/policy_watch.ts";
import { Traffic, UNKNOWN_MODEL } from "../../alert/traffic.ts";
import type { Config } from "../../config/config.ts";
import type { Scarce } from "../../machine/scarcity.ts";
import { fileWords } from "../../observe/file_words.ts";
import { logger } from "../../observe/log.ts";
import { isScarcity, type Report } from "../../observe/report.ts";
import type { Fleet } from "../../pool/fleet.ts";
import type { Instance } from "../../pool/instance.ts";
import type { Reloadable, Snapshot } from "../snapshots.ts";

export interface AlertingOptions {
  config: Config;
  fleet: () => Fleet;
  /** A watch here found trouble; it is to be counted and shown, and then given to `raise`. */
  onTrouble(kind: AlertKind, subject: string, message: string): void;
  /** Trouble that people were told of is over. */
  onEnd(kind: AlertKind, subject: string, message: string): void;
}

/** Kinds whose subject is an instance. */
const ABOUT_INSTANCES = [...kindsEndedBy("instance_recovered"), "fallback_in_use"] as const;

const TICK_MS = 1000;
/** What waits at the end has so long to be sent. */
const CLOSE_MS = 5000;

export class Alerting implements Bell, Reloadable {
  readonly #alerts: Alerts;
  readonly #outlets: Outlets;
  readonly #errorFile = new ErrorFileChannel(() => this.#config.dataDir);
  readonly #traffic: Traffic;
  readonly #policies: PolicyWatch;
  readonly #disk: DiskWatch;
  readonly #scarcity: ScarcityWatch;
  /** Models of which no instance can answer. */
  readonly #without = new Set<string>();
  readonly #timer: ReturnType<typeof setInterval>;
  #config: Config;
  #fallbacks: ReadonlySet<string>;

  constructor(private readonly options: AlertingOptions) {
    const { config } = options;
    this.#config = config;
    this.#fallbacks = fallbacksOf(config);
    this.#outlets = new Outlets(systemClock, hostname(), tellOfFailure);
    this.#alerts = new Alerts(
      [new LogChannel(), this.#errorFile, this.#outlets],
      (channel, error) =>
        logger.getChild("alert").error("channel {channel} failed: {error}", {
          channel,
          error: fileWords(error),
        }),
    );
    const found: Bell = {
      raise: options.onTrouble,
      end: (kind, subject, message) => this.end(kind, subject, message),
      isActive: (kind, subject) => this.isActive(kind, subject),
    };
    const now = () => performance.now();
    this.#traffic = new Traffic(config, found, now);
    this.#policies = new PolicyWatch(config, found, now);
    this.#disk = new DiskWatch(found, now);
    this.#scarcity = new ScarcityWatch(found, now);
    this.#alerts.configure(config);
    this.#outlets.configure(config);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    Deno.unrefTimer(Number(this.#timer));
  }

  apply({ config }: Snapshot): void {
    this.#config = config;
    this.#alerts.configure(config);
    this.#outlets.configure(config);
    this.#traffic.configure(config);
    this.#policies.configure(config);
    this.#fallbacks = fallbacksOf(config);
    const names = new Set(config.instances.map(({ name }) => name));
    const models = new Set(config.instances.flatMap(({ models }) => models));
    const gone = "is no longer in the configuration";
    for (const kind of ABOUT_INSTANCES) {
      this.#alerts.endOthers(kind, names, gone);
    }
    for (const kind of ["no_instance", "error_rate", "first_token_slow"] as const) {
      this.#alerts.endOthers(kind, models, gone);
    }
    this.#alerts.endOthers("refused_rate", new Set([...models, UNKNOWN_MODEL]), gone);
    const policies = new Set(config.policies.map(({ options }) => options.name));
    this.#alerts.endOthers("policy_hits", policies, gone);
    for (const model of this.#without) if (!models.has(model)) this.#without.delete(model);
  }

  /** Tells people, unless they were told a short while ago. */
  raise(kind: AlertKind, subject: string, message: string, count = 1): void {
    this.#alerts.raise(kind, subject, message, count);
  }

  /** What `kind` stands for is over, or is what `kind` ends: told where the trouble was told. True if it was. */
  end(kind: AlertKind, subject: string, message: string): boolean {
    const told = this.#alerts.end(kind, subject, message);
    if (told) this.options.onEnd(kind, subject, message);
    return told;
  }

  isActive(kind: AlertKind, subject: string): boolean {
    return this.#alerts.isActive(kind, subject);
  }

  /** Judges a finished request, by itself and among the others of its model. */
  request(report: Report): void {
    // That alert says it all.
    if (isScarcity(report)) return;
    this.#traffic.request(report);
    this.#policies.request(report);
    const incident = incidentOf(report, this.#fallbacks);
    if (incident !== null) {
      this.options.onTrouble(incident.kind, incident.subject, incident.message);
    }
  }

  /** The system has refused a connection. */
  scarce(what: Scarce): void {
    this.#scarcity.note(what);
  }

  /** To be called when an instance went out or came back: its models may have none, or one again. */
  lookAtModels(): void {
    const fleet = this.options.fleet();
    for (const model of fleet.models) {
      const pool = fleet.pool(model);
      if (pool === undefined) continue;
      const serving = [...pool.privateInstances, ...pool.fallbacks]
        .filter((instance) => instance.takesRequests);
      const isWithout = serving.length > 0 && serving.every((instance) => instance.isOut);
      if (isWithout === this.#without.has(model)) continue;
      if (isWithout) {
        this.#without.add(model);
        this.options.onTrouble("no_instance", model, `no instance is left: ${states(serving)}`);
      } else {
        this.#without.delete(model);
        this.end("no_instance", model, `can be answered again: ${states(serving)}`);
      }
    }
  }

  /** Sends what waits, within a few seconds. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#alerts.close();
    await this.#errorFile.close();
    await this.#outlets.close(CLOSE_MS);
  }

  #tick(): void {
    this.lookAtModels();
    this.#traffic.tick();
    this.#policies.tick();
    this.#scarcity.tick();
    const { dataDir, alertRules } = this.#config;
    // Its own errors are caught where they arise.
    void this.#disk.tick({ dataDir, leastBytes: alertRules.diskFreeBytes });
    this.#alerts.tick();
    void this.#errorFile.retry();
  }
}

function states(instances: readonly Instance[]): string {
  return instances.map(({ name, state }) => `${name} ${state}`).join(", ");
}

/** Name of this machine; "" where the process may not know it. */
export function hostname(): string {
  try {
    return Deno.hostname();
  } catch {
    // Without the permission alerts do not say where they come from.
    return "";
  }
}

/** A failing channel is told of in the log alone: an alert about it would meet the same failure. */
function tellOfFailure({ channel, reason, attempt, retryInS, alerts }: Failure): void {
  const log = logger.getChild("alert");
  const what = alerts === 1 ? "an alert" : `${alerts} alerts`;
  const facts = { channel, what, reason, attempt, retryInS };
  if (retryInS === null) {
    log.error("channel {channel} did not take {what}: {reason}; given up", facts);
  } else {
    log.warning(
      "channel {channel} did not take {what}: {reason}; tried again in {retryInS} s",
      facts,
    );
  }
}
