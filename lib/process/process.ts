// The gateway as one process: its parts put together in the order in which they hear of a reload, served
// until a signal, and taken apart again.

import type { Config } from "../config/config.ts";
import { environmentProxy } from "../forward/transport/environment_proxy.ts";
import type { AdminHandler } from "../http/admin.ts";
import { LineWriter } from "../observe/line_writer.ts";
import { logger, Logs } from "../observe/log.ts";
import { Tally } from "../observe/tally.ts";
import { Tracing } from "../observe/trace.ts";
import { SlotTable } from "../pool/fleet.ts";
import type { PoolEvent } from "../pool/outlier.ts";
import { SharedState } from "../pool/shared_state.ts";
import { Actions } from "./actions.ts";
import { AdminPages } from "./admin_pages.ts";
import { Bulletin } from "./bulletin.ts";
import { DashboardCounts } from "./dashboard_counts.ts";
import { ProcessSource } from "./dashboard_source.ts";
import { endSignal } from "./end_signal.ts";
import { FinishedRequests } from "./finished_requests.ts";
import { HealthWatch } from "./health_watch.ts";
import { MetricsPage } from "./metrics_page.ts";
import { type Overrides, withOverrides } from "./overrides.ts";
import { Recording } from "./recording.ts";
import { type ConfigFile, Reload } from "./reload.ts";
import { Runtime } from "./runtime.ts";
import { Snapshots } from "./snapshots.ts";
import { VERSION } from "./version.ts";
import { fleetInWords, readyLine } from "./words.ts";
import { WorkerPool } from "./worker_pool.ts";

export interface ProcessOptions {
  /** As it was read; `config` is what it says. */
  file: ConfigFile;
  config: Config;
  overrides: Overrides;
  /** Whether another gateway may have the port. */
  takeover: boolean;
  env(name: string): string | undefined;
}

/** Bits of a set of workers in shared memory, less one for the main isolate. */
const MAX_WORKERS = 63;

/** Everything that one gateway process owns. */
export class GatewayProcess {
  readonly #logs = new Logs(new LineWriter(Deno.stderr));
  readonly #shared = SharedState.create();
  readonly #tally = new Tally(Date.now());
  readonly #snapshots: Snapshots;
  readonly #bulletin: Bulletin;
  readonly #recording: Recording;
  readonly #finished: FinishedRequests;
  readonly #runtime: Runtime;
  readonly #workers: WorkerPool | null;
  readonly #health: HealthWatch;
  readonly #reload: Reload;
  readonly #source: ProcessSource;
  readonly #pages: AdminPages;

  /** Whoever must hear of a reload joins the list of `Snapshots` here or in its own constructor. */
  constructor(private readonly options: ProcessOptions) {
    const { env, file, overrides } = options;
    const config = withOverrides(options.config, overrides);
    const snapshots = this.#snapshots = new Snapshots(
      config,
      new SlotTable(this.#shared),
      environmentProxy(env),
    );
    this.#logs.configure(config.log);
    snapshots.join({ apply: ({ config }) => this.#logs.configure(config.log) });
    this.#tally.configure(config);
    snapshots.join({ apply: ({ config }) => this.#tally.configure(config) });
    this.#bulletin = new Bulletin(snapshots, this.#tally, () => this.#runtime.fleet);
    this.#recording = new Recording(snapshots, this.#bulletin);
    this.#finished = new FinishedRequests([
      this.#logs,
      this.#tally,
      this.#recording,
      this.#bulletin,
    ]);
    this.#runtime = this.#makeRuntime();
    snapshots.join(this.#runtime);
    const count = config.workers === "auto" ? navigator.hardwareConcurrency : config.workers;
    const workers = Math.min(count, MAX_WORKERS);
    this.#workers = workers > 1 ? this.#makeWorkers(workers) : null;
    if (this.#workers !== null) snapshots.join(this.#workers);
    this.#health = new HealthWatch(snapshots, this.#runtime, this.#tally);
    const bulletin = this.#bulletin;
    this.#reload = new Reload({ file, overrides, snapshots, bulletin, tally: this.#tally, env });
    const seen = {
      snapshots,
      fleet: this.#runtime.fleet,
      records: () => this.#recording.stats(),
      workers,
    };
    this.#source = new ProcessSource({
      ...seen,
      counts: new DashboardCounts(this.#tally),
      feed: bulletin.feed,
      reload: this.#reload,
      actions: new Actions(snapshots, this.#reload, bulletin),
    });
    const metrics = new MetricsPage({ ...seen, tally: this.#tally });
    this.#pages = new AdminPages(snapshots, this.#source, metrics);
  }

  /** Serves until a signal; resolves to the exit code. */
  async run(): Promise<number> {
    const { config } = this.#snapshots;
    let port: number;
    try {
      port = await this.#listen(config.host, config.port);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      console.error(`cannot listen on ${config.host}:${config.port}: ${reason}`);
      return 1;
    }
    this.#health.start();
    this.#reload.start();
    console.error(readyLine(config, this.options.file.path, port));
    this.#bulletin.note("started", "gateway", `version ${VERSION} with ${fleetInWords(config)}`);
    const end = await endSignal();
    logger.info("{end}: running answers may finish within {seconds} s", {
      end: end === "stop" ? "stopping" : "handing over",
      seconds: this.#snapshots.config.drainTimeoutS,
    });
    await this.#close(end);
    return 0;
  }

  async #listen(hostname: string, wanted: number): Promise<number> {
    // Always with SO_REUSEPORT, so that a successor can take over; two gateways that know nothing of
    // each other would share the port without a word, which is why it is first asked for without.
    if (!this.options.takeover && wanted !== 0) Deno.listen({ hostname, port: wanted }).close();
    return this.#workers === null
      ? this.#runtime.listen({ hostname, port: wanted, reusePort: true }).port
      : await this.#workers.start(hostname, wanted);
  }

  /** Lets running answers end, or cuts them at a second signal; what is read of them comes last. */
  async #close(end: "stop" | "hand_over"): Promise<void> {
    this.#pages.close();
    const serving = this.#workers ?? this.#runtime;
    await Promise.race([end === "stop" ? serving.drain() : serving.handOver(), endSignal()]);
    await this.#workers?.close();
    this.#source.close();
    await this.#reload.close();
    this.#health.close();
    await this.#runtime.close();
    await this.#recording.close();
    await this.#bulletin.close();
    this.#logs.flush();
  }

  #makeRuntime(): Runtime {
    return new Runtime(this.#snapshots.current, {
      shared: this.#shared,
      now: () => performance.now(),
      onPoolEvent: this.#poolEvent,
      onFinished: this.#finished.tell,
      admin: this.#admin,
      tracing: this.#isTraced ? Tracing.open() : null,
      onError: (error) => logger.error("internal error: {error}", { error }),
    });
  }

  #makeWorkers(count: number): WorkerPool {
    return new WorkerPool({
      module: Deno.mainModule,
      tracing: this.#isTraced,
      count,
      shared: this.#shared,
      now: () => performance.now(),
      snapshot: () => this.#snapshots.current,
      onFinished: this.#finished.tell,
      admin: this.#admin,
      onPoolEvent: this.#poolEvent,
      onError: (message) => logger.error("internal error in a worker: {message}", { message }),
      onDied: (worker, message) =>
        this.#bulletin.raise("worker_died", `worker-${worker}`, `${message}; it is replaced`),
    });
  }

  /** A compiled executable could trace at any time: the environment of each start says whether it does. */
  get #isTraced(): boolean {
    return /^(true|1)$/i.test(this.options.env("OTEL_DENO") ?? "");
  }

  readonly #admin: AdminHandler = (request) => this.#pages.handle(request);

  readonly #poolEvent = (event: PoolEvent): void => {
    this.#bulletin.poolEvent(event);
    this.#health.poolEvent(event);
  };
}
