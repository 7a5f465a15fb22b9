// One serving isolate: fleet, transports, forwarder and listener put together, and taken apart again.
// Watching the file, writing records and telling people are left to whoever owns the process.

import type { Config } from "../config/config.ts";
import { DeadlineClock } from "../forward/deadline.ts";
import { Forwarder } from "../forward/forward.ts";
import { Slab } from "../http/memory.ts";
import { FetchTransport } from "../forward/transport/fetch.ts";
import { Http1Transport } from "../forward/transport/http1.ts";
import type { Transport } from "../forward/transport.ts";
import type { AdminHandler } from "../http/admin.ts";
import type { Tracing } from "../observe/trace.ts";
import { Fleet } from "../pool/fleet.ts";
import { ModelCatalog } from "../pool/discovery/models.ts";
import type { Verdict } from "../pool/health_check.ts";
import type { Instance } from "../pool/instance.ts";
import type { PoolEvent } from "../pool/outlier.ts";
import type { SharedState } from "../pool/shared_state.ts";
import { Gateway, type GatewayParts } from "../server/gateway.ts";
import { AddressCounts } from "../server/listener/address_counts.ts";
import { listenDenoServe } from "../server/listener/deno_serve.ts";
import { listenHttp1 } from "../server/listener/http1.ts";
import type { Handler, Listener } from "../server/listener.ts";
import { askModels, hasResponse } from "../server/ask_instance.ts";
import { StoredResponses } from "../server/stored_responses.ts";
import type { Reloadable, Snapshot } from "./snapshots.ts";

/** What is still open once all requests are answered: last bytes on their way, dashboards. */
const LAST_BYTES_MS = 500;
/** How long requests that were cut may take to say so, for their records. */
const CUT_MS = 500;

export interface RuntimeParts {
  shared: SharedState;
  now(): number;
  onPoolEvent(event: PoolEvent): void;
  onFinished: GatewayParts["onFinished"];
  /** Answers for metrics and dashboard. */
  admin: AdminHandler;
  /** null where nothing is traced. */
  tracing: Tracing | null;
  onError(error: unknown): void;
}

export class Runtime implements Reloadable {
  readonly fleet: Fleet;
  readonly #catalog: ModelCatalog;
  readonly #clock = new DeadlineClock();
  readonly #fetch: FetchTransport;
  readonly #http1 = new Http1Transport();
  readonly #gateway: Gateway;
  readonly #parts: RuntimeParts;
  /** Origins behind a proxy, those of earlier snapshots too: the environment does not change. */
  readonly #proxied = new Set<string>();
  #config: Config;
  #listener: Listener | null = null;
  #draining = false;
  #closed: Promise<void> | null = null;

  constructor(snapshot: Snapshot, parts: RuntimeParts) {
    this.#parts = parts;
    this.#fetch = new FetchTransport((origin) => this.#proxied.has(origin));
    this.#config = snapshot.config;
    this.fleet = new Fleet(parts.shared, parts.now, parts.onPoolEvent);
    this.apply(snapshot);
    const transportFor = (instance: Instance) => this.transportFor(instance);
    const stored = new StoredResponses(
      parts.shared,
      (instance, responseId, client) =>
        hasResponse(
          transportFor(instance),
          instance,
          responseId,
          client,
          this.#config.healthCheck.timeoutS,
        ),
    );
    const catalog = this.#catalog = new ModelCatalog(
      this.fleet,
      (instance, timeoutS) => askModels(transportFor(instance), instance, timeoutS),
    );
    this.#gateway = new Gateway({
      fleet: this.fleet,
      forwarder: new Forwarder({
        fleet: this.fleet,
        clock: this.#clock,
        slab: new Slab(),
        transportFor,
        noteStored: (bytes, instance) => stored.noteIn(bytes, instance),
        learnContexts: (config) => catalog.refresh(config),
        random: Math.random,
      }),
      catalog,
      config: () => this.#config,
      draining: () => this.#draining,
      onFinished: parts.onFinished,
      stored,
      admin: parts.admin,
      tracing: parts.tracing,
      uptimeS: () => parts.now() / 1000,
    });
  }

  /** Asks an instance for its models: it learns its context, and whether it is what is configured. */
  verifyModels(instance: Instance): Promise<Verdict> {
    return this.#catalog.verify(instance, this.#config.healthCheck.timeoutS);
  }

  transportFor(instance: Instance): Transport {
    const { origin } = instance.config;
    const plain = origin.startsWith("http:") && !this.#proxied.has(origin);
    return plain && this.#config.transport === "auto" ? this.#http1 : this.#fetch;
  }

  /** Answers one request, for a door that is not opened by `listen`. */
  get handle(): Handler {
    return this.#gateway.handle;
  }

  /** Opens the door. Throws Deno.errors.AddrInUse and the like. */
  listen(options: { hostname: string; port: number; reusePort: boolean }): Listener {
    const { http, listener } = this.#config;
    const open = listener === "http1" ? listenHttp1 : listenDenoServe;
    this.#listener = open({
      ...options,
      headTimeoutS: http.headTimeoutS,
      bodyTimeoutS: http.bodyTimeoutS,
      idleTimeoutS: http.idleTimeoutS,
      maxConnectionsPerAddress: http.maxConnectionsPerAddress,
      addresses: new AddressCounts(this.#parts.shared),
      onError: this.#parts.onError,
    }, this.#gateway.handle);
    return this.#listener;
  }

  /** The next snapshot; requests under way keep theirs. */
  apply({ config, slots, proxied }: Snapshot): void {
    this.#config = config;
    for (const origin of proxied) this.#proxied.add(origin);
    this.fleet.apply(config, slots);
  }

  /**
   * Refuses new requests and waits for the answers under way, at most `drain_timeout`. The door stays
   * open until `close`: whoever asks is told that the gateway is draining.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    await within(this.#config.drainTimeoutS * 1000, this.#gateway.idle());
  }

  /**
   * Another process has taken over the port: closes the door and waits for what is under way, at most
   * `drain_timeout`. Requests that still come on connections that stand are served.
   */
  async handOver(): Promise<void> {
    await within(this.#config.drainTimeoutS * 1000, this.#listener?.handOver());
  }

  /** Cuts what is under way and ends; resolves once all requests are accounted for. Idempotent. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    if (this.#gateway.isIdle) await within(LAST_BYTES_MS, this.#listener?.drain());
    await this.#listener?.close();
    await within(CUT_MS, this.#gateway.idle());
    this.fleet.close();
    this.#clock.close();
    this.#http1.close();
    this.#fetch.close();
  }
}

/** Waits for `work`, at most so long. */
async function within(ms: number, work: Promise<void> | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, deadline]);
  clearTimeout(timer);
}
