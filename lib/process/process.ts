// The gateway as one process: its parts put together in the order in which they hear of a reload, served
// until a signal, and taken apart again.

import { UsageMemory } from "../caller/usage/usage_memory.ts";
import { expiryProblem } from "../config/certificate.ts";
import type { Config } from "../config/config.ts";
import { environmentProxy } from "../forward/transport/environment_proxy.ts";
import type { AdminHandler } from "../http/admin.ts";
import type { Scarce } from "../http/scarcity.ts";
import { Failing } from "../observe/failing.ts";
import { FirstTokens } from "../observe/first_tokens.ts";
import { FeltByClients } from "../observe/felt.ts";
import { PolicyHistory } from "../observe/policy_history.ts";
import { LineWriter } from "../observe/line_writer.ts";
import { AgeClock } from "../observe/age_clock.ts";
import { logger, Logs } from "../observe/log.ts";
import { guarded } from "../observe/guarded.ts";
import { Tally } from "../observe/tally.ts";
import { Tracing } from "../observe/trace.ts";
import { SlotTable } from "../pool/fleet.ts";
import type { PoolEvent } from "../pool/outlier.ts";
import { Roster } from "../pool/roster.ts";
import { SharedState } from "../pool/shared_state.ts";
import { Accounts } from "./callers/accounts.ts";
import { Actions } from "./pages/actions.ts";
import { AdminPages } from "./pages/admin_pages.ts";
import { Asking } from "./pages/asking.ts";
import { Bulletin } from "./alerts/bulletin.ts";
import { ChoicesPage } from "./pages/choices_page.ts";
import { Conditions } from "./fleet/conditions.ts";
import { DashboardCounts } from "./pages/dashboard_counts.ts";
import { DashboardKeys } from "./pages/dashboard_keys.ts";
import { DashboardUsage } from "./pages/dashboard_usage.ts";
import { ProcessSource } from "./pages/dashboard_source.ts";
import { Decisions } from "./pages/decisions.ts";
import { Discovery } from "./fleet/discovery.ts";
import { canBeElastic, elasticRules, ElasticWorkers } from "./workers/elastic_workers.ts";
import { DrainedFile } from "./disk/drained_file.ts";
import { endSignal } from "./end_signal.ts";
import { EventLog } from "./disk/event_log.ts";
import { FinishedRequests } from "./finished_requests.ts";
import { HealthWatch } from "./fleet/health_watch.ts";
import { LoadWatch } from "./fleet/load_watch.ts";
import { MetricsPage } from "./pages/metrics_page.ts";
import { Housekeeping } from "./disk/housekeeping.ts";
import { IndexKeeper } from "./fleet/index_keeper.ts";
import { madeHere, type MakeIsolate } from "./workers/isolate.ts";
import { KeyWatch } from "./callers/key_watch.ts";
import { MinuteLog } from "./disk/minute_log.ts";
import { ModelWatch } from "./fleet/model_watch.ts";
import { Peering } from "./fleet/peering.ts";
import { type Overrides, withOverrides } from "./overrides.ts";
import { Recording } from "./disk/recording.ts";
import { type ConfigFile, Reload } from "./reload.ts";
import { RequestLog } from "./disk/request_log.ts";
import { RoomWatch } from "./fleet/room_watch.ts";
import { Runtime } from "./runtime.ts";
import { type Serving, ServingAlone } from "./serving.ts";
import { SharedLimits } from "./callers/shared_limits.ts";
import { Snapshots } from "./snapshots.ts";
import { StoredFile } from "./disk/stored_file.ts";
import { VERSION } from "./version.ts";
import { Warden } from "./workers/warden.ts";
import { cannotListen, fleetInWords, readyLine } from "./words.ts";
import { WorkerPool } from "./workers/worker_pool.ts";

export interface ProcessOptions {
  /** As it was read; `config` is what it says. */
  file: ConfigFile;
  config: Config;
  overrides: Overrides;
  /** Whether another gateway may have the port. */
  takeover: boolean;
  env(name: string): string | undefined;
}

/** Everything that one gateway process owns. */
export class GatewayProcess {
  readonly #logs = new Logs(new LineWriter(Deno.stderr));
  readonly #shared = SharedState.create();
  readonly #usage = UsageMemory.create();
  readonly #tally = new Tally(Date.now());
  readonly #snapshots: Snapshots;
  readonly #bulletin: Bulletin;
  readonly #recording: Recording;
  readonly #requests: RequestLog;
  readonly #housekeeping: Housekeeping;
  readonly #minutes: MinuteLog;
  readonly #accounts: Accounts;
  readonly #storedFile: StoredFile;
  readonly #events: EventLog;
  readonly #drained: DrainedFile;
  readonly #keyWatch: KeyWatch;
  readonly #finished: FinishedRequests;
  readonly #runtime: Runtime;
  readonly #serving: Serving;
  readonly #sharedLimits: SharedLimits;
  readonly #health: HealthWatch;
  readonly #conditions: Conditions;
  readonly #loads: LoadWatch;
  readonly #models: ModelWatch;
  readonly #index: IndexKeeper;
  readonly #room: RoomWatch;
  readonly #discovery: Discovery;
  readonly #peering: Peering;
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
    const roster = new Roster();
    snapshots.join(roster);
    this.#conditions = new Conditions(roster, () => new Date());
    this.#logs.configure(config.log);
    snapshots.join({ apply: ({ config }) => this.#logs.configure(config.log) });
    this.#tally.configure(config);
    snapshots.join({ apply: ({ config }) => this.#tally.configure(config) });
    this.#bulletin = new Bulletin(snapshots, this.#tally, () => this.#runtime.fleet);
    this.#events = new EventLog(snapshots, this.#bulletin.feed);
    this.#recording = new Recording(snapshots, this.#bulletin);
    const ages = new AgeClock();
    this.#requests = new RequestLog(snapshots, this.#bulletin, ages);
    this.#housekeeping = new Housekeeping(snapshots, () => new Date(), () => ages.now());
    this.#accounts = new Accounts(
      this.#usage,
      snapshots,
      this.#bulletin,
      () => this.#runtime.reception.inFlight(),
    );
    this.#storedFile = new StoredFile(this.#shared, snapshots);
    this.#keyWatch = new KeyWatch(snapshots, this.#bulletin);
    const decisions = new Decisions();
    const failing = new Failing(() => Date.now());
    const policies = new PolicyHistory(() => Date.now());
    const felt = new FeltByClients(
      () => Date.now(),
      (name) => snapshots.config.instances.some((one) => one.fallback && one.name === name),
    );
    const firstTokens = new FirstTokens(() => performance.now());
    firstTokens.configure(config);
    snapshots.join({ apply: ({ config }) => firstTokens.configure(config) });
    this.#minutes = new MinuteLog(
      snapshots,
      this.#bulletin.feed,
      () => this.#runtime.fleet,
      () => Date.now(),
    );
    this.#finished = new FinishedRequests([
      this.#logs,
      this.#tally,
      decisions,
      failing,
      policies,
      felt,
      firstTokens,
      this.#minutes,
      this.#recording,
      this.#requests,
      this.#accounts,
      this.#bulletin,
    ]);
    this.#sharedLimits = new SharedLimits(this.#usage, snapshots, this.#bulletin);
    this.#runtime = this.#makeRuntime();
    snapshots.join(this.#runtime);
    this.#serving = this.#makeServing(config);
    this.#drained = new DrainedFile(snapshots, this.#conditions);
    this.#health = new HealthWatch(snapshots, this.#runtime, this.#tally);
    this.#loads = new LoadWatch(snapshots, this.#runtime);
    this.#models = new ModelWatch(snapshots, this.#runtime);
    this.#index = new IndexKeeper(this.#runtime.fleet, () => Date.now(), snapshots);
    const bulletin = this.#bulletin;
    this.#room = new RoomWatch(snapshots, bulletin);
    this.#discovery = new Discovery({ snapshots, bulletin, configFile: file.path, env });
    this.#peering = new Peering({
      snapshots,
      fleet: this.#runtime.fleet,
      bulletin,
      figures: () => this.#source.figures(),
    });
    const serving = this.#serving;
    this.#reload = new Reload({
      ...{ file, overrides, snapshots, bulletin, env },
      tally: this.#tally,
      caughtUp: () => serving.caughtUp(),
    });
    const seen = {
      snapshots,
      fleet: this.#runtime.fleet,
      records: () => this.#recording.stats(),
      usage: () => this.#accounts.look(),
      sharedState: () => this.#sharedLimits.look(),
      discovery: () => this.#discovery.states,
      peers: () => this.#peering.look(),
      gateways: () => this.#peering.list(),
      isolates: () => this.#serving.isolates,
      saturated: () => this.#shared.saturated.count,
    };
    this.#source = new ProcessSource({
      ...seen,
      requests: this.#requests,
      failing,
      policies,
      felt,
      firstTokens,
      minutes: this.#minutes,
      conditions: this.#conditions,
      counts: new DashboardCounts(this.#tally),
      feed: bulletin.feed,
      reload: this.#reload,
      actions: new Actions(
        snapshots,
        this.#reload,
        bulletin,
        this.#runtime.reception,
        this.#accounts,
        (name) => this.#serving.move(name),
        this.#conditions,
      ),
      drained: this.#drained,
      caughtUp: () => serving.caughtUp(),
      asking: new Asking(snapshots, this.#runtime),
      usageFiles: new DashboardUsage(snapshots),
      keys: new DashboardKeys(this.#runtime.reception, () => this.#accounts.booked()),
    });
    const metrics = new MetricsPage({ ...seen, tally: this.#tally });
    const choices = new ChoicesPage(snapshots, seen.fleet, decisions);
    this.#pages = new AdminPages(snapshots, this.#source, metrics, choices, this.#peering);
  }

  /** Serves until a signal; resolves to the exit code. */
  async run(): Promise<number> {
    const { config } = this.#snapshots;
    await this.#events.restore();
    await this.#drained.restore();
    await this.#accounts.restore();
    await this.#discovery.start();
    await this.#models.start();
    await this.#index.restore(this.#snapshots.config);
    await this.#storedFile.restore();
    let port: number;
    try {
      port = await this.#listen(config.host, config.port);
    } catch (error) {
      console.error(await cannotListen(config.host, config.port, error));
      return 1;
    }
    this.#peering.start(port);
    this.#health.start();
    this.#keyWatch.look();
    this.#loads.start();
    this.#reload.start();
    // Before it says that it is there: who waits for that may send a signal at once.
    const ended = endSignal();
    console.error(readyLine(this.#snapshots.config, this.options.file.path, port));
    const expired = config.tls === null ? null : expiryProblem(config.tls, Date.now());
    if (expired !== null) logger.error("{expired}", { expired });
    this.#bulletin.note("started", "gateway", `version ${VERSION} with ${fleetInWords(config)}`);
    const end = await ended;
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
    return await this.#serving.start(hostname, wanted);
  }

  /** Lets running answers end, or cuts them at a second signal; what is read of them comes last. */
  async #close(end: "stop" | "hand_over"): Promise<void> {
    const serving = this.#serving;
    const parts: [string, () => unknown][] = [
      ["pages", () => this.#pages.close()],
      ["drain", () => {
        const drained = end === "stop" ? serving.drain() : serving.handOver();
        return Promise.race([drained, endSignal()]);
      }],
      ["serving", () => serving.close()],
      ["index", () => this.#index.save(this.#snapshots.config)],
      ["dashboard", () => this.#source.close()],
      ["reload", () => this.#reload.close()],
      ["discovery", () => this.#discovery.close()],
      ["room", () => this.#room.close()],
      ["peers", () => this.#peering.close()],
      ["health", () => this.#health.close()],
      ["keys", () => this.#keyWatch.close()],
      ["loads", () => this.#loads.close()],
      ["models", () => this.#models.close()],
      ["runtime", () => this.#runtime.close()],
      ["shared limits", () => this.#sharedLimits.close()],
      ["records", () => this.#recording.close()],
      ["requests", () => this.#requests.close()],
      ["housekeeping", () => this.#housekeeping.close()],
      ["minutes", () => this.#minutes.close()],
      ["usage", () => this.#accounts.close()],
      ["stored responses", () => this.#storedFile.close()],
      ["drained", () => this.#drained.written()],
      ["bulletin", () => this.#bulletin.close()],
      ["events", () => this.#events.close()],
    ];
    // One that fails at its end keeps none behind it from theirs.
    for (const [part, close] of parts) await guarded(`the end of ${part}`, close);
    this.#logs.flush();
  }

  #makeRuntime(): Runtime {
    return new Runtime(this.#snapshots.current, {
      module: Deno.mainModule,
      shared: this.#shared,
      usage: this.#usage,
      now: () => performance.now(),
      onPoolEvent: this.#poolEvent,
      onFinished: this.#finished.tell,
      admin: this.#admin,
      tracing: this.#isTraced ? Tracing.open() : null,
      onScarce: this.#scarce,
      onModelMissing: (id) => this.#models.hurry(id),
      onRankRefused: (id, ranks) => this.#loads.rankRefused(id, ranks),
      onError: (error) => logger.error("internal error: {error}", { error }),
    });
  }

  #makeServing({ workers }: Config): Serving {
    const runtime = this.#runtime;
    if (workers === "auto" && canBeElastic(this.#snapshots.config)) {
      const warden = new Warden(Deno.mainModule);
      return new ElasticWorkers({
        runtime,
        pool: this.#makeWorkers(0, warden.make),
        warden,
        rules: () => elasticRules(this.#snapshots.config),
        now: () => performance.now(),
        onChange: (message) => {
          logger.info("{message}", { message });
          this.#bulletin.note("workers", "gateway", message);
        },
      });
    }
    const count = workers === "auto" ? 1 : workers;
    return count > 1 ? this.#makeWorkers(count, madeHere) : new ServingAlone(runtime);
  }

  #makeWorkers(count: number, make: MakeIsolate): WorkerPool {
    const pool = new WorkerPool({
      module: Deno.mainModule,
      make,
      tracing: this.#isTraced,
      count,
      shared: this.#shared,
      usage: this.#usage,
      now: () => performance.now(),
      snapshot: () => this.#snapshots.current,
      onFinished: this.#finished.tell,
      admin: this.#admin,
      onPoolEvent: this.#poolEvent,
      onScarce: this.#scarce,
      onModelMissing: (id) => this.#models.hurry(id),
      onRankRefused: (id, ranks) => this.#loads.rankRefused(id, ranks),
      onError: (message) => logger.error("internal error in a worker: {message}", { message }),
      onDied: (worker, message) =>
        this.#bulletin.raise(
          "worker_died",
          `worker-${worker}`,
          `${message}; it is replaced${count > 0 ? "" : " when it is needed"}`,
        ),
      onLeft: (worker) => logger.info("worker-{worker}: its last answer is out", { worker }),
    });
    this.#snapshots.join(pool);
    return pool;
  }

  /** A compiled executable could trace at any time: the environment of each start says whether it does. */
  get #isTraced(): boolean {
    return /^(true|1)$/i.test(this.options.env("OTEL_DENO") ?? "");
  }

  readonly #admin: AdminHandler = (request) => this.#pages.handle(request);

  readonly #scarce = (what: Scarce): void => this.#bulletin.scarce(what);

  readonly #poolEvent = (event: PoolEvent): void => {
    this.#bulletin.poolEvent(event);
    this.#conditions.poolEvent(event);
    this.#health.poolEvent(event);
    this.#loads.poolEvent(event);
  };
}
