// The gateway as one process: everything that it owns, from the snapshot of the configuration to the last
// record.

import { isDeepStrictEqual } from "node:util";
import type { AlertKind } from "../alert/alert.ts";
import { KINDS } from "../alert/kinds.ts";
import type { Config, HealthCheckConfig } from "../config/config.ts";
import { Dashboard } from "../dashboard/dashboard.ts";
import type { ActionResult, ConfigView, ReloadReport } from "../dashboard/source.ts";
import type { AdminHandler, AdminReply } from "../http/admin.ts";
import { maskSecrets } from "../config/mask.ts";
import { formatProblem, type Problem } from "../config/parse.ts";
import type { RawConfig } from "../config/schema.ts";
import { type ConfigWatcher, watchConfig } from "../config/watch.ts";
import { environmentProxy } from "../forward/transport/environment_proxy.ts";
import { EventFeed, type EventLevel } from "../observe/event_feed.ts";
import { LineWriter } from "../observe/line_writer.ts";
import { logger, Logs } from "../observe/log.ts";
import { Tally } from "../observe/tally.ts";
import { Tracing } from "../observe/trace.ts";
import { type CheckResult, HealthChecker } from "../pool/health_check.ts";
import type { Instance } from "../pool/instance.ts";
import { SlotTable } from "../pool/fleet.ts";
import type { PoolEvent } from "../pool/outlier.ts";
import { SharedState } from "../pool/shared_state.ts";
import { RecordWriter } from "../record/writer.ts";
import {
  captureOf,
  type Incident,
  incidentOf,
  type Note,
  notesOf,
  requestLine,
} from "../server/accounting.ts";
import { checkInstance } from "../server/check_instance.ts";
import type { Finished } from "../server/gateway.ts";
import { Runtime } from "./runtime.ts";
import type { FinishedMessage } from "./worker_messages.ts";
import { WorkerPool } from "./worker_pool.ts";
import { EventStore } from "../sse/event_store.ts";
import { Alerting } from "./alerting.ts";
import { DashboardCounts } from "./dashboard_counts.ts";
import { ProcessSource } from "./dashboard_source.ts";
import { MetricsPage } from "./metrics_page.ts";
import { VERSION } from "./version.ts";

/** Flags that beat the file; the same after each reload. */
export type Overrides = Partial<Pick<Config, "host" | "port" | "workers">> & Partial<Config["log"]>;

export function withOverrides(config: Config, overrides: Overrides): Config {
  const { level = config.log.level, format = config.log.format, ...rest } = overrides;
  return Object.freeze({ ...config, ...rest, log: { level, format } });
}

const env = (name: string) => Deno.env.get(name);

/** A compiled executable could trace at any time: the environment of each start says whether it does. */
const isTraced = () => /^(true|1)$/i.test(env("OTEL_DENO") ?? "");

/** Everything that one gateway process owns. */
export class GatewayProcess {
  readonly #logs = new Logs(new LineWriter(Deno.stderr));
  readonly #alerting: Alerting;
  readonly #shared = SharedState.create();
  readonly #slots = new SlotTable(this.#shared);
  readonly #recorder: RecordWriter;
  readonly #runtime: Runtime;
  readonly #health: HealthChecker;
  readonly #proxied = environmentProxy(env);
  readonly #workers: WorkerPool | null;
  readonly #feed = new EventFeed();
  readonly #tally = new Tally(Date.now());
  readonly #source: ProcessSource;
  readonly #dashboard: Dashboard;
  readonly #metrics: MetricsPage;
  /** Names of instances that an action drained; the next reload takes them all back. */
  readonly #drained = new Set<string>();
  /** As the file and the flags have it, before what was drained. */
  #fileConfig: Config;
  #lastReload: ReloadReport | null = null;
  /** Those who asked for a reload and wait for what comes of it. */
  #reloadWaiters: ((report: ReloadReport) => void)[] = [];
  #watcher: ConfigWatcher | null = null;
  #assigned: Readonly<Record<string, number>>;
  #fallbacks: Set<string>;

  constructor(
    private readonly path: string,
    private config: Config,
    private readonly overrides: Overrides,
    private options: RawConfig,
    /** Whether another gateway may have the port. */
    private readonly takeover: boolean,
  ) {
    this.#fileConfig = config;
    this.#logs.configure(config.log);
    this.#tally.configure(config);
    this.#recorder = new RecordWriter({
      dataDir: config.dataDir,
      format: config.record.format,
      queueMax: config.record.queueMax,
      onDrop: (count) =>
        this.#raise("records_dropped", "records", "the record queue is full", count),
      onError: (error) => this.#raise("records_failed", "records", String(error)),
    });
    this.#fallbacks = fallbackNames(config);
    this.#assigned = this.#slots.assign(config);
    this.#runtime = new Runtime(config, this.#assigned, {
      shared: this.#shared,
      now: () => performance.now(),
      proxied: this.#proxied,
      onPoolEvent: (event) => this.#tell(event),
      onFinished: (finished) => this.#account(finished),
      admin: this.#admin,
      tracing: isTraced() ? Tracing.open() : null,
      onError: (error) => logger.error("internal error: {error}", { error }),
    });
    this.#alerting = new Alerting({
      config,
      fleet: () => this.#runtime.fleet,
      onTrouble: (kind, subject, message) => this.#raise(kind, subject, message),
      onEnd: (kind, subject, message) => this.#noteEnd(kind, subject, message),
    });
    this.#health = new HealthChecker(
      this.#runtime.fleet,
      config.healthCheck,
      (instance, options) => this.#check(instance, options),
      Math.random,
    );
    const count = config.workers === "auto" ? navigator.hardwareConcurrency : config.workers;
    this.#workers = count > 1 ? this.#makeWorkers(Math.min(count, 63)) : null;
    const counts = new DashboardCounts(this.#tally);
    this.#source = new ProcessSource({
      config: () => this.config,
      fleet: this.#runtime.fleet,
      counts: () => counts,
      ttftBoundsMs: DashboardCounts.BOUNDS_MS,
      records: () => this.#recorder.stats(),
      feed: this.#feed,
      workers: Math.min(count, 63),
      drained: this.#drained,
      configView: () => this.#configView(),
      drain: (instance) => this.#drain(instance),
      undrain: (instance) => this.#undrain(instance),
      reload: () => this.#reloadNow(),
    });
    this.#dashboard = new Dashboard(this.#source);
    this.#metrics = new MetricsPage({
      tally: this.#tally,
      fleet: this.#runtime.fleet,
      dataDir: () => this.config.dataDir,
      records: () => this.#recorder.stats(),
      workers: Math.min(count, 63),
    });
  }

  #makeWorkers(count: number): WorkerPool {
    return new WorkerPool({
      module: Deno.mainModule,
      tracing: isTraced(),
      count,
      shared: this.#shared,
      now: () => performance.now(),
      snapshot: () => ({
        config: this.config,
        slots: this.#assigned,
        proxied: this.config.instances.map(({ origin }) => origin).filter(this.#proxied),
      }),
      onFinished: (batch) => this.#accountBatch(batch),
      admin: this.#admin,
      onPoolEvent: (event) => this.#tell(event),
      onError: (message) => logger.error("internal error in a worker: {message}", { message }),
      onDied: (worker, message) =>
        this.#raise("worker_died", `worker-${worker}`, `${message}; it is replaced`),
    });
  }

  /** Metrics and dashboard, for whichever worker is asked. */
  readonly #admin: AdminHandler = (request) => {
    const path = request.target.split("?", 1)[0];
    if (path === "/dashboard" || path.startsWith("/dashboard/")) {
      return this.#dashboard.handle(request);
    }
    if (path === "/metrics") return this.#metrics.handle(request);
    return Promise.resolve(textReply(404, `Nothing at ${path}\n`));
  };

  #account(finished: Finished): void {
    const now = performance.now();
    const line = requestLine(finished, now);
    this.#logs.request(line);
    this.#tally.request(line);
    this.#alerting.request(line);
    if (this.config.record.enabled) {
      const capture = captureOf(finished, now);
      if (capture !== null) this.#recorder.offer(capture);
    }
    this.#report(incidentOf(finished, this.#fallbacks), notesOf(finished));
  }

  /** The same for requests that workers have finished. */
  #accountBatch(batch: readonly FinishedMessage[]): void {
    for (const { line, capture, incident, notes } of batch) {
      this.#logs.request(line);
      this.#tally.request(line);
      this.#alerting.request(line);
      if (capture !== null) {
        const response = capture.events === null ? capture.body : EventStore.unpack(capture.events);
        this.#recorder.offer({ ...capture.capture, response });
      }
      this.#report(incident, notes);
    }
  }

  #report(incident: Incident | null, notes: readonly Note[]): void {
    for (const { kind, subject, message } of notes) this.#note(kind, subject, message);
    if (incident !== null) this.#raise(incident.kind, incident.subject, incident.message);
  }

  /** Tells people, and those who look. `count` errors led to it; it happened so many `times`. */
  #raise(kind: AlertKind, subject: string, message: string, count = 1, times = count): void {
    this.#note(kind, subject, message, times);
    this.#tally.alert(kind, times);
    this.#alerting.raise(kind, subject, message, count);
  }

  #noteEnd(kind: AlertKind, subject: string, message: string): void {
    // An instance that has recovered is shown whether people were told or not.
    if (kind === "instance_recovered") return;
    this.#note("resolved", subject, `${KINDS[kind].title}: ${message}`);
  }

  #note(kind: string, subject: string, message: string, count = 1): void {
    this.#feed.add(kind, LEVELS_OF_EVENTS[kind] ?? "bad", subject, message, count);
  }

  /** Serves until a signal; resolves to the exit code. */
  async run(initialText: string): Promise<number> {
    const { config } = this;
    let port: number;
    try {
      const { host: hostname, port: wanted } = config;
      // Always with SO_REUSEPORT, so that a successor can take over; two gateways that know nothing of
      // each other would share the port without a word, which is why it is first asked for without.
      if (!this.takeover && wanted !== 0) Deno.listen({ hostname, port: wanted }).close();
      port = this.#workers === null
        ? this.#runtime.listen({ hostname, port: wanted, reusePort: true }).port
        : await this.#workers.start(hostname, wanted);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      console.error(`cannot listen on ${config.host}:${config.port}: ${reason}`);
      return 1;
    }
    this.#health.configure(config.healthCheck);
    const watcher = this.#watcher = watchConfig({
      path: this.path,
      env,
      initialText,
      onConfig: (next, options) => this.#reload(next, options),
      onProblems: (problems) => this.#reloadFailed(problems),
      onError: (error) => logger.error("configuration not reloaded: {error}", { error }),
    });
    const reload = () => watcher.reloadNow();
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGHUP", reload);
    console.error(readyLine(config, this.path, port));
    this.#note("started", "gateway", `version ${VERSION} with ${describe(config)}`);

    const end = await endSignal();
    logger.info("{end}: running answers may finish within {seconds} s", {
      end: end === "stop" ? "stopping" : "handing over",
      seconds: this.config.drainTimeoutS,
    });
    this.#dashboard.close();
    const serving = this.#workers ?? this.#runtime;
    await Promise.race([end === "stop" ? serving.drain() : serving.handOver(), endSignal()]);
    await this.#workers?.close();
    this.#source.close();
    await watcher.close();
    this.#health.close();
    await this.#runtime.close();
    await this.#recorder.close();
    await this.#alerting.close();
    this.#logs.flush();
    return 0;
  }

  #reload(read: Config, options: RawConfig): void {
    const next = withOverrides(read, this.overrides);
    const before = this.#fileConfig;
    for (const key of ["host", "port", "workers", "listener"] as const) {
      if (next[key] !== before[key]) {
        logger.warning("{key} changed from {before} to {next}: takes effect at the next start", {
          key,
          before: before[key],
          next: next[key],
        });
      }
    }
    this.#fileConfig = next;
    this.options = options;
    this.#drained.clear();
    this.#apply(next);
    // Whoever may no longer look must not go on looking.
    if (!isDeepStrictEqual(next.admin, before.admin)) this.#dashboard.live.endAll();
    logger.info("configuration reloaded: {instances}", { instances: describe(next) });
    this.#note("reload", "configuration", describe(next));
    this.#reloaded([]);
  }

  /** Makes `next` the snapshot for all requests that come. */
  #apply(next: Config): void {
    this.config = next;
    this.#fallbacks = fallbackNames(next);
    this.#logs.configure(next.log);
    this.#alerting.configure(next);
    this.#tally.configure(next);
    this.#recorder.configure({
      dataDir: next.dataDir,
      format: next.record.format,
      queueMax: next.record.queueMax,
    });
    this.#assigned = this.#slots.assign(next);
    this.#runtime.apply(next, this.#assigned);
    this.#workers?.apply();
    this.#health.configure(next.healthCheck);
  }

  #reloadFailed(problems: readonly Problem[]): void {
    for (const problem of problems) {
      logger.error("configuration not reloaded: {problem}", { problem: formatProblem(problem) });
    }
    this.#raise("reload_failed", "config", problems.map(formatProblem).join("; "));
    this.#reloaded(problems);
  }

  #reloaded(problems: readonly Problem[]): void {
    const report = {
      time: new Date().toISOString(),
      ok: problems.length === 0,
      problems: problems.map(formatProblem),
    };
    this.#lastReload = report;
    if (report.ok) this.#alerting.end("reload_failed", "config", "the file was read again");
    this.#tally.reload(report.ok, Date.now());
    for (const resolve of this.#reloadWaiters.splice(0)) resolve(report);
  }

  #reloadNow(): Promise<ReloadReport> {
    return new Promise((resolve) => {
      this.#reloadWaiters.push(resolve);
      this.#watcher?.reloadNow();
    });
  }

  #drain(name: string): ActionResult {
    const instance = this.#fileConfig.instances.find((one) => one.name === name);
    if (instance === undefined) return noInstance(name);
    if (instance.weight === 0) {
      return { ok: false, status: 409, message: `${name} has weight 0 in the configuration` };
    }
    this.#drained.add(name);
    this.#apply(withDrained(this.#fileConfig, this.#drained));
    logger.warning("{name} is drained until the next reload", { name });
    this.#note("drain", name, "gets no new requests until the next reload");
    return { ok: true };
  }

  #undrain(name: string): ActionResult {
    if (!this.#fileConfig.instances.some((one) => one.name === name)) return noInstance(name);
    if (!this.#drained.delete(name)) {
      return { ok: false, status: 409, message: `${name} was not drained here` };
    }
    this.#apply(withDrained(this.#fileConfig, this.#drained));
    logger.warning("{name} is no longer drained", { name });
    this.#note("undrain", name, "gets requests again");
    return { ok: true };
  }

  #configView(): ConfigView {
    return {
      file: this.path,
      options: maskSecrets(this.options),
      overrides: this.overrides,
      last_reload: this.#lastReload,
      drained: [...this.#drained],
    };
  }

  async #check(instance: Instance, options: HealthCheckConfig): Promise<CheckResult> {
    const result = await checkInstance(this.#runtime.transportFor(instance), instance, options);
    this.#tally.healthCheck(instance.name, result === null);
    return result;
  }

  #tell(event: PoolEvent): void {
    const { kind, instance, message, count } = event;
    this.#tally.poolEvent(kind, instance);
    if (kind === "instance_recovered") {
      this.#note(kind, instance, message);
      this.#tally.alert(kind);
      this.#alerting.end(kind, instance, message);
    } else this.#raise(kind, instance, message, count, 1);
    this.#alerting.lookAtModels();
    if (event.kind !== "instance_ejected") return;
    const ejected = this.#runtime.fleet.instances.find((i) => i.name === event.instance);
    if (ejected !== undefined) this.#health.checkSoon(ejected);
  }
}

function textReply(status: number, text: string): AdminReply {
  return {
    status,
    headers: [["content-type", "text/plain; charset=utf-8"]],
    body: new TextEncoder().encode(text),
  };
}

/** Where an event is not bad news. */
const LEVELS_OF_EVENTS: Readonly<Record<string, EventLevel>> = {
  started: "info",
  reload: "info",
  drain: "info",
  undrain: "info",
  instance_recovered: "good",
  resolved: "good",
  failover: "warning",
  resume: "warning",
  fallback_in_use: "warning",
  first_token_slow: "warning",
};

function noInstance(name: string): ActionResult {
  return { ok: false, status: 404, message: `no instance is named ${name}` };
}

/** The same configuration with weight 0 for the instances named. */
function withDrained(config: Config, names: ReadonlySet<string>): Config {
  const instances = config.instances.map((one) =>
    names.has(one.name) ? { ...one, weight: 0 } : one
  );
  return Object.freeze({ ...config, instances });
}

function fallbackNames(config: Config): Set<string> {
  return new Set(config.instances.filter((i) => i.fallback).map((i) => i.name));
}

function describe(config: Config): string {
  const fallbacks = config.instances.filter((instance) => instance.fallback).length;
  const own = config.instances.length - fallbacks;
  return `${own} instance${own === 1 ? "" : "s"}, ${fallbacks} fallback${
    fallbacks === 1 ? "" : "s"
  }`;
}

function readyLine(config: Config, path: string, port: number): string {
  const host = config.host === "0.0.0.0" || config.host === "::" ? "127.0.0.1" : config.host;
  const shown = host.includes(":") ? `[${host}]` : host;
  return `simple-ai-gateway ${VERSION} listening on http://${shown}:${port} ` +
    `(${describe(config)}; config ${path})`;
}

/** Resolves at the next SIGTERM or SIGINT (stop), or SIGUSR2 (a successor listens already). */
function endSignal(): Promise<"stop" | "hand_over"> {
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGTERM", "SIGINT", "SIGUSR2"];
  return new Promise((resolve) => {
    const listeners = signals.map((signal) => {
      const heard = () => {
        for (const [other, listener] of listeners) Deno.removeSignalListener(other, listener);
        resolve(signal === "SIGUSR2" ? "hand_over" : "stop");
      };
      Deno.addSignalListener(signal, heard);
      return [signal, heard] as const;
    });
  });
}
