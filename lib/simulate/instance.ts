// A simulated vLLM server: where it listens, what it is asked, and what befalls it as a whole.

import { control, type Controlled, readFault } from "./control.ts";
import { DEFAULTS } from "./defaults.ts";
import { failEarly } from "./early_faults.ts";
import { Engine, type EngineOptions } from "./engine.ts";
import { ApiError, internalError } from "./errors.ts";
import { type LogEntry, sendError, settings } from "./exchange.ts";
import { befallsAtOnce, type Fault, type FaultRule, Faults } from "./faults.ts";
import type { Reply } from "./http_reply.ts";
import type { Request } from "./http_request.ts";
import { type HttpServer, listen } from "./http_server.ts";
import { Life } from "./life.ts";
import { Pacer } from "./pacing.ts";
import { Ranks } from "./ranks.ts";
import { Routes } from "./routes.ts";

/** Requests kept for /simulate/requests. */
const LOG_SIZE = 2000;

/** Where an instance listens and what goes wrong with it, beside how it generates. */
export interface SimulateOptions extends Partial<EngineOptions> {
  hostname?: string;
  /** 0 takes a free port. */
  port?: number;
  faults?: readonly FaultRule[];
}

/** A running instance. */
export interface SimulatedInstance {
  /** Base URL, ending in /v1. */
  readonly url: string;
  readonly port: number;
  readonly model: string;
  /**
   * Ends as vLLM does on SIGTERM: what runs may finish within `timeoutS` seconds, the rest is aborted.
   */
  terminate(timeoutS: number): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

/** Starts a simulated instance. Rejects when the port is taken. */
export async function startSimulated(options: SimulateOptions = {}): Promise<SimulatedInstance> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const instance = new Instance(
    { ...DEFAULTS, ...Object.fromEntries(given) },
    options.faults ?? [],
  );
  return await instance.listen(options.hostname ?? "127.0.0.1", options.port ?? 0);
}

class Instance implements Controlled {
  readonly faults: Faults;
  /** One for each data-parallel rank. */
  readonly #engines: readonly Engine[];
  readonly #life: Life;
  readonly #pacer = new Pacer();
  readonly #routes: Routes;
  readonly #initialFaults: readonly FaultRule[];
  #log: LogEntry[] = [];
  #server: HttpServer | null = null;
  #returning: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: EngineOptions, faults: readonly FaultRule[]) {
    this.#engines = Array.from({ length: options.ranks }, () => new Engine(options, this.#pacer));
    this.#life = new Life(this.#engines, () => this.#close());
    this.#routes = new Routes(
      options,
      new Ranks(this.#engines),
      this.#life,
      (reply, work) => this.#guard(reply, work),
    );
    this.faults = new Faults(
      faults.filter((fault) => !befallsAtOnce(fault)),
    );
    this.#initialFaults = faults;
  }

  async listen(hostname: string, port: number): Promise<SimulatedInstance> {
    this.#server = await listen({
      hostname,
      port,
      handle: (request, reply) => this.#handle(request, reply),
    });
    for (const fault of this.#initialFaults) {
      if (befallsAtOnce(fault)) this.befall(fault);
    }
    const server = this.#server;
    const host = hostname.includes(":") ? `[${hostname}]` : hostname;
    return {
      url: `http://${host}:${server.port}/v1`,
      port: server.port,
      model: this.options.models[0],
      terminate: (timeoutS) => this.#life.terminate(timeoutS),
      close: () => this.#close(),
    };
  }

  async #close(): Promise<void> {
    clearTimeout(this.#returning);
    this.#life.close();
    for (const engine of this.#engines) engine.prefill?.close();
    this.#pacer.close();
    await this.#server?.close();
  }

  log(): readonly LogEntry[] {
    return this.#log;
  }

  reset(): void {
    this.faults.clear();
    for (const engine of this.#engines) engine.dead = false;
    this.#life.go();
    for (const engine of this.#engines) engine.cache.clear();
    this.#routes.forget();
    this.#log = [];
  }

  befall(fault: Fault): void {
    switch (fault.kind) {
      case "refuse":
        return this.#refuse(fault);
      case "terminate":
        return this.#end(this.#life.terminate(fault.number ?? 0));
      case "engine-killed":
        return this.#end(this.#life.die(fault.number ?? 0));
      case "engine-hung":
        return this.#life.halt("hung");
      case "asleep":
        return this.#life.halt("asleep");
      case "paused":
        return this.#life.halt("paused");
      case "engine-dead":
        for (const engine of this.#engines) engine.dead = true;
    }
  }

  #end(ending: Promise<void>): void {
    ending.catch((error) => console.error("simulated vLLM cannot end:", error));
  }

  #handle(request: Request, reply: Reply): void {
    if (request.path.startsWith("/simulate/")) {
      this.#guard(reply, () => control(request, reply, this));
      return;
    }
    const log = this.#note(request, reply);
    this.#guard(reply, () => {
      const asksModel = request.method === "POST";
      const header = request.headers["x-simulate-fail"];
      const fault = header
        ? readFault(header)
        : this.faults.meet(request.path, asksModel, request.body);
      log.fault = fault?.kind ?? null;
      if (fault && failEarly(fault, request, reply, (fault) => this.befall(fault))) return;
      this.#routes.take({
        request,
        reply,
        log,
        fault,
        id: log.id,
        ...settings(request.headers, this.options),
      });
    });
  }

  /** Answers with what `work` throws. */
  #guard(reply: Reply, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof ApiError) {
        sendError({ reply }, error);
      } else {
        console.error("simulated vLLM failed on a request:", error);
        sendError({ reply }, internalError());
      }
    }
  }

  #note(request: Request, reply: Reply): LogEntry {
    const entry: LogEntry = {
      id: request.headers["x-request-id"] ?? crypto.randomUUID().replaceAll("-", ""),
      method: request.method,
      path: request.path,
      headers: request.headers,
      body: null,
      peer: request.peer,
      status: null,
      fault: null,
      aborted: false,
      finished: false,
      tokens_sent: 0,
    };
    if (request.body.length > 0) {
      const text = new TextDecoder().decode(request.body);
      try {
        entry.body = JSON.parse(text);
      } catch {
        // No JSON: a form, or a test of bad input. The text itself is what was asked.
        entry.body = text;
      }
    }
    reply.onFinish(() => {
      entry.status = reply.status;
      entry.aborted = reply.aborted;
      entry.finished = !reply.aborted;
    });
    this.#log.push(entry);
    if (this.#log.length > LOG_SIZE) this.#log.splice(0, this.#log.length - LOG_SIZE);
    return entry;
  }

  #refuse(fault: Fault): void {
    const server = this.#server!;
    void server.pause();
    if (fault.number === null) return;
    clearTimeout(this.#returning);
    this.#returning = setTimeout(() => {
      server.resume().catch((error) => console.error("simulated vLLM cannot listen again:", error));
    }, fault.number * 1000);
  }
}
