// One serving isolate: fleet, transports, forwarder and listener put together, and taken apart again.
// Watching the file, writing records and telling people are left to whoever owns the process.

import { Reception } from "../caller/reception.ts";
import type { UsageMemory } from "../caller/usage/usage_memory.ts";
import type { TlsConfig } from "../config/access.ts";
import type { Config } from "../config/config.ts";
import { Pace } from "../forward/pace.ts";
import { DeadlineClock } from "../forward/deadline.ts";
import { Forwarder } from "../forward/forward.ts";
import { type Moved, Moving } from "../forward/moving.ts";
import { Returning } from "../forward/returning.ts";
import { Descriptors } from "../machine/descriptors.ts";
import { Slab } from "../http/memory.ts";
import { CrossOrigin } from "../http/cors.ts";
import { within } from "../http/within.ts";
import { memoryBytes } from "../machine/memory.ts";
import type { Scarce } from "../machine/scarcity.ts";
import { FetchTransport } from "../forward/transport/fetch.ts";
import { Http1Transport } from "../forward/transport/http1.ts";
import type { Transport } from "../forward/transport.ts";
import type { AdminHandler } from "../http/admin.ts";
import type { Tracing } from "../observe/trace.ts";
import type { PoliciesInForce } from "../policy/in_force.ts";
import { Fleet } from "../pool/fleet.ts";
import { ModelCatalog } from "../pool/discovery/models.ts";
import type { HealthVerdict } from "../pool/health_check.ts";
import type { Instance } from "../pool/instance.ts";
import type { PoolEvent } from "../pool/outlier.ts";
import { byOrigin, Roster } from "../pool/roster.ts";
import type { SharedState } from "../pool/shared_state.ts";
import { Gateway, type GatewayParts } from "../server/gateway.ts";
import { BodyRoom } from "../server/body_room.ts";
import { AddressCounts } from "../server/listener/address_counts.ts";
import { listenDenoServe } from "../server/listener/deno_serve.ts";
import { listenHttp1 } from "../server/listener/http1.ts";
import type { Handler, Listener } from "../server/listener.ts";
import { askModels, hasResponse } from "../server/questions/ask_instance.ts";
import { StoredResponses } from "../server/questions/stored_responses.ts";
import { MissingModels } from "./missing_models.ts";
import { Policing } from "./policing.ts";
import type { Reloadable, Snapshot } from "./snapshots.ts";
import { VERSION } from "./version.ts";

/** What is still open once all requests are answered: last bytes on their way, dashboards. */
const LAST_BYTES_MS = 500;
/** Origins of instances that have left, where requests may be under way yet. */
const ORIGINS_AWAY = 1024;
/** A machine that does not tell is taken for one of 4 GiB. */
const UNKNOWN_MEMORY_BYTES = 4 * 1024 ** 3;
/** How long requests that were cut may take to say so, for their records. */
const CUT_MS = 500;

export interface RuntimeParts {
  /** The module that isolates of plugins begin with; only the main isolate knows it by itself. */
  module: string;
  shared: SharedState;
  /** What callers have used; all workers share it. */
  usage: UsageMemory;
  now(): number;
  onPoolEvent(event: PoolEvent): void;
  onFinished: GatewayParts["onFinished"];
  /** Answers for metrics and dashboard. */
  admin: AdminHandler;
  /** null where nothing is traced. */
  tracing: Tracing | null;
  /** The system has refused a connection for want of this. */
  onScarce(what: Scarce): void;
  /** The instance of this id lacks a model that it is known for; null: nobody is known for the one asked for. */
  onModelMissing(id: string | null): void;
  /** The instance of this id refuses one of its data-parallel ranks, which are so many. */
  onRankRefused(id: string, ranks: number): void;
  onError(error: unknown): void;
  /** Something that people may want to know, and that is no fault. */
  onNotice?(message: string): void;
}

export class Runtime implements Reloadable {
  readonly fleet: Fleet;
  readonly #catalog: ModelCatalog;
  readonly #clock = new DeadlineClock();
  readonly #descriptors: Descriptors;
  readonly #moving = new Moving();
  readonly #bodies: BodyRoom;
  readonly #fetch: FetchTransport;
  readonly #http1: Http1Transport;
  readonly #gateway: Gateway;
  readonly reception: Reception;
  readonly #policing: Policing;
  readonly #parts: RuntimeParts;
  readonly #roster = new Roster();
  /** Origins behind a proxy, those of earlier snapshots too: what is under way goes by them. */
  readonly #proxied: Map<string, true> = this.#roster.remember(byOrigin, ORIGINS_AWAY);
  #config: Config;
  #listener: Listener | null = null;
  #certificate: TlsConfig | null = null;
  #draining = false;
  #closed: Promise<void> | null = null;

  constructor(snapshot: Snapshot, parts: RuntimeParts) {
    const { shared, now, onError, onNotice } = parts;
    this.#parts = parts;
    this.#config = snapshot.config;
    const descriptors = this.#descriptors = descriptorsFor(snapshot.config, parts);
    const isProxied = (origin: string) => this.#proxied.has(origin);
    this.#fetch = new FetchTransport(isProxied, descriptors, this.#roster);
    this.#http1 = new Http1Transport(Deno.connect, descriptors);
    const fleet = this.fleet = new Fleet(shared, now, parts.onPoolEvent);
    this.reception = new Reception({
      ...{ memory: shared.limits, usage: parts.usage, now, onError },
      wallMs: () => Date.now(),
    });
    const transportFor = (instance: Instance) => this.transportFor(instance);
    const { module } = parts;
    const countTimeoutMs = () => this.#config.healthCheck.timeoutS * 1000;
    this.#policing = new Policing({
      ...{ module, fleet, transportFor, countTimeoutMs, onError, onNotice },
    });
    this.#bodies = new BodyRoom(shared.bodies, now);
    this.apply(snapshot);
    const stored = this.#storedResponses();
    this.#catalog = new ModelCatalog(
      fleet,
      (instance, timeoutS) => askModels(transportFor(instance), instance, timeoutS),
    );
    const missing = new MissingModels(fleet, now, parts.onModelMissing);
    this.#gateway = new Gateway({
      fleet,
      forwarder: this.#forwarder(stored, missing),
      catalog: this.#catalog,
      noSuchModel: () => missing.everywhere(),
      config: () => this.#config,
      draining: () => this.#draining,
      onFinished: parts.onFinished,
      stored,
      reception: this.reception,
      bodies: this.#bodies,
      policies: this.policies,
      admin: parts.admin,
      tracing: parts.tracing,
      version: VERSION,
      uptimeS: () => now() / 1000,
    });
  }

  #storedResponses(): StoredResponses {
    return new StoredResponses(
      this.#parts.shared,
      (instance, responseId, client) => {
        const transport = this.transportFor(instance);
        const { timeoutS } = this.#config.healthCheck;
        return hasResponse(transport, instance, responseId, client, timeoutS);
      },
      this.reception.limits.responses,
    );
  }

  #forwarder(stored: StoredResponses, missing: MissingModels): Forwarder {
    const { shared, onRankRefused } = this.#parts;
    return new Forwarder({
      fleet: this.fleet,
      clock: this.#clock,
      pace: new Pace({
        lagMs: () => this.#http1.idle.lagMs(),
        every(body, ms) {
          const timer = setInterval(body, ms);
          return () => clearInterval(timer);
        },
        saturated: (is) => shared.saturated.change(is),
      }),
      slab: new Slab(),
      transportFor: (instance) => this.transportFor(instance),
      noteStored: (bytes, instance, owner) => stored.noteIn(bytes, instance, owner),
      learnContexts: (config) => this.#catalog.refresh(config),
      random: Math.random,
      roster: this.#roster,
      returning: new Returning(this.#roster, () => performance.now()),
      moving: this.#moving,
      lacksModel: ({ config }) => missing.atInstance(config.id),
      refusesRank: ({ config, ranks }) => onRankRefused(config.id, ranks.length),
    });
  }

  get policies(): PoliciesInForce {
    return this.#policing.inForce;
  }

  /** Once the snapshot that was applied last is in force: what of it is not. Never rejects. */
  caughtUp(): Promise<readonly string[]> {
    return this.#policing.caughtUp();
  }

  /** Asks an instance for its models: it learns its context, and whether it is what is configured. */
  verifyModels(instance: Instance): Promise<HealthVerdict> {
    return this.#catalog.verify(instance, this.#config.healthCheck.timeoutS);
  }

  /** The names of models that an instance lists; null where it gives no list. */
  listModels(instance: Instance): Promise<readonly string[] | null> {
    return this.#catalog.look(instance, this.#config.healthCheck.timeoutS);
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

  /** Has what runs at an instance go on elsewhere, as far as that can be. */
  move(instance: string): Moved {
    return this.#moving.leave(instance);
  }

  /** Opens the door. Throws Deno.errors.AddrInUse and the like. */
  listen(options: { hostname: string; port: number; reusePort: boolean }): Listener {
    const { http, listener } = this.#config;
    const open = listener === "http1" ? listenHttp1 : listenDenoServe;
    this.#listener = open({
      ...options,
      certificate: this.#certificate,
      headTimeoutS: http.headTimeoutS,
      bodyTimeoutS: http.bodyTimeoutS,
      idleTimeoutS: http.idleTimeoutS,
      maxConnectionsPerAddress: http.maxConnectionsPerAddress,
      addresses: new AddressCounts(this.#parts.shared),
      descriptors: this.#descriptors,
      onTurnedAway: (why) => this.#parts.shared.turnedAway.add(why),
      errorFields: (seen) => CrossOrigin.fieldsOfError(seen, this.#config.cors),
      onError: this.#parts.onError,
    }, this.#gateway.handle);
    return this.#listener;
  }

  /** The next snapshot; requests under way keep theirs. */
  apply({ config, slots, proxied, reading }: Snapshot): void {
    this.#config = config;
    if (config.tls !== null) this.#renew(config.tls);
    for (const origin of proxied) this.#proxied.set(origin, true);
    this.#roster.apply({ config });
    this.#bodies.limitBytes = heldBodyBytes(config.http);
    this.fleet.apply(config, slots);
    this.reception.apply(config.callers);
    this.#policing.apply(config.policies, reading);
    this.reception.share(config.sharedState);
  }

  #renew(certificate: TlsConfig): void {
    const { cert, key, clientCa } = this.#certificate ?? {};
    const isSame = certificate.cert === cert && certificate.key === key &&
      certificate.clientCa === clientCa;
    if (isSame) return;
    try {
      this.#listener?.renew(certificate);
      this.#certificate = certificate;
    } catch (error) {
      // No door for it; clients go on with the one before, and the next reload tries again.
      this.#parts.onError(error);
    }
  }

  /**
   * Refuses new requests and waits for the answers under way, at most `drain_timeout`. The door stays
   * open until `close`: whoever asks is told that the gateway is draining.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    await within(this.#config.drainTimeoutS * 1000, this.#gateway.idle(), null);
  }

  /**
   * Another process has taken over the port: closes the door and waits for what is under way, at most
   * `drain_timeout`. Requests that still come on connections that stand are served.
   */
  async handOver(): Promise<void> {
    await within(this.#config.drainTimeoutS * 1000, this.#listener?.handOver(), null);
  }

  /** Other workers serve on: closes the door; resolves when that is done. */
  async leave(): Promise<void> {
    await this.#listener?.leave();
  }

  /** Resolves once all is answered, however long that takes, and accounted for; after `leave`. */
  async left(): Promise<void> {
    await this.#listener?.left();
    await this.#gateway.idle();
  }

  /** Another worker serves beside this one: clients that are here already come to it, too. */
  spread(): void {
    this.#listener?.spread();
  }

  /** Requests under way in this isolate. */
  get running(): number {
    return this.#gateway.running;
  }

  /** Cuts what is under way and ends; resolves once all requests are accounted for. Idempotent. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    if (this.#gateway.isIdle) await within(LAST_BYTES_MS, this.#listener?.drain(), null);
    await this.#listener?.close();
    this.#bodies.close();
    await within(CUT_MS, this.#gateway.idle(), null);
    this.fleet.close();
    this.reception.close();
    this.#policing.close();
    this.#clock.close();
    this.#http1.close();
    this.#fetch.close();
  }
}

/** What all bodies may take: as it is configured, else a quarter of the memory. */
function heldBodyBytes({ maxHeldBodyBytes }: Config["http"]): number {
  return maxHeldBodyBytes ?? (memoryBytes() ?? UNKNOWN_MEMORY_BYTES) / 4;
}

/** Deno.serve takes any client, and ends where there is no descriptor for one: none is counted then. */
function descriptorsFor({ listener }: Config, { shared, onScarce }: RuntimeParts): Descriptors {
  if (listener !== "http1") return new Descriptors(onScarce, null);
  return new Descriptors(onScarce, undefined, (look) => shared.locked(look));
}
