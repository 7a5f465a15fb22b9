// A simulated vLLM server: its routes and keys, and what befalls it as a whole.

import { audio } from "./audio.ts";
import { chat } from "./chat.ts";
import { completions } from "./completions.ts";
import { Engine, type EngineOptions } from "./engine.ts";
import { DEFAULTS } from "./defaults.ts";
import { control, type Controlled, readFault } from "./control.ts";
import { develop } from "./develop.ts";
import { failEarly } from "./early_faults.ts";
import {
  anthropicBody,
  ApiError,
  badParameter,
  engineDead,
  internalError,
  unknownModel,
} from "./errors.ts";
import {
  type Exchange,
  type Json,
  jsonBody,
  type LogEntry,
  sendError,
  settings,
} from "./exchange.ts";
import { befallsAtOnce, type Fault, type FaultRule, Faults } from "./faults.ts";
import { type HttpServer, listen, type Reply, type Request } from "./http_server.ts";
import { lax } from "./lax.ts";
import { Life } from "./life.ts";
import { countTokens, messages } from "./messages.ts";
import { metricsText } from "./metrics.ts";
import { modelList } from "./models.ts";
import { Pacer } from "./pacing.ts";
import { classify, embeddings, pooling, rerank, score } from "./pooling.ts";
import { Responses } from "./responses.ts";
import { detokenize, tokenize } from "./tokens.ts";

/** The version that /version names: what the dialect was taken from. */
const VERSION = "0.32.0";
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

type Route = (exchange: Exchange, engine: Engine, body: Json) => void;

/** Paths that ask the model with a JSON body. */
const JSON_ROUTES: Record<string, Route> = {
  "/v1/chat/completions": chat,
  "/v1/completions": completions,
  "/v1/messages": messages,
  "/v1/messages/count_tokens": countTokens,
  "/v1/embeddings": embeddings,
  "/pooling": pooling,
  "/classify": classify,
  "/score": score,
  "/v1/score": score,
  "/rerank": rerank,
  "/v1/rerank": rerank,
  "/v2/rerank": rerank,
  "/tokenize": tokenize,
  "/detokenize": detokenize,
};

/** Paths that the engine takes no part in. */
const WITHOUT_ENGINE = ["/tokenize", "/detokenize", "/v1/messages/count_tokens"];

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
  readonly #responses = new Responses();
  readonly #initialFaults: readonly FaultRule[];
  #log: LogEntry[] = [];
  #server: HttpServer | null = null;
  #returning: ReturnType<typeof setTimeout> | undefined;
  #load = 0;
  /** Where the search for the idlest rank begins. */
  #turn = 0;

  constructor(private readonly options: EngineOptions, faults: readonly FaultRule[]) {
    this.#engines = Array.from({ length: options.ranks }, () => new Engine(options, this.#pacer));
    this.#life = new Life(this.#engines, () => this.#close());
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
    this.#responses.forget();
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
      if (asksModel) {
        this.#load++;
        reply.onFinish(() => this.#load--);
      }
      this.#route({
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

  #route(exchange: Exchange): void {
    const { request, reply } = exchange;
    const key = this.options.apiKey;
    if (
      key !== null && request.method !== "OPTIONS" && /^\/v[12]\//.test(request.path) &&
      request.headers.authorization !== `Bearer ${key}`
    ) {
      reply.send(401, { "content-type": "application/json" }, '{"error":"Unauthorized"}');
      return;
    }
    const json = request.path === "/v1/responses"
      ? this.#responses.create.bind(this.#responses)
      : JSON_ROUTES[request.path];
    if (json) {
      if (request.method !== "POST") throw wrongMethod("POST");
      this.#inDialect(exchange, () => {
        const body = lax(request.path, jsonBody(request));
        this.#checkModel(body.model);
        if (this.#isDead) throw engineDead();
        const work = () => json(exchange, this.#engineFor(request), body);
        if (WITHOUT_ENGINE.includes(request.path)) work();
        else {this.#life.admit(reply, () =>
            this.#guard(reply, () =>
              this.#inDialect(exchange, work)));}
      });
      return;
    }
    this.#other(exchange);
  }

  /** Errors on Anthropic's paths have Anthropic's shape, but for what the validation of a body says. */
  #inDialect({ request, reply }: Exchange, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof ApiError) || !request.path.startsWith("/v1/messages")) throw error;
      if (error.type === "Bad Request") throw error;
      const type = { "content-type": "application/json", ...error.headers };
      reply.send(error.status, type, anthropicBody(error));
    }
  }

  /** vLLM's engines are lost together. */
  get #isDead(): boolean {
    return this.#engines[0].dead;
  }

  /** The rank that the client names, else the one with the least to do, as vLLM counts that. */
  #engineFor({ headers }: Request): Engine {
    const engines = this.#engines;
    const named = headers["x-data-parallel-rank"];
    // What is no whole number is passed over.
    if (named !== undefined && /^\s*[-+]?\d+\s*$/.test(named)) {
      const rank = Number(named);
      if (rank >= 0 && rank < engines.length) return engines[rank];
      throw badParameter(
        `data_parallel_rank ${rank} is out of range [0, ${engines.length}).`,
        "data_parallel_rank",
      );
    }
    const load = ({ metrics: { running, waiting } }: Engine) => 4 * waiting + running;
    const start = this.#turn++ % engines.length;
    let least = engines[start];
    for (let at = 1; at < engines.length; at++) {
      const engine = engines[(start + at) % engines.length];
      if (load(engine) < load(least)) least = engine;
    }
    return least;
  }

  #checkModel(model: unknown): void {
    if (model === undefined || model === null || model === "") return;
    const { models } = this.options;
    if (!models.includes(String(model))) throw unknownModel(String(model), models);
  }

  #other(exchange: Exchange): void {
    const { request, reply } = exchange;
    if (/^\/v1\/audio\/(transcriptions|translations)$/.test(request.path)) {
      if (request.method !== "POST") throw wrongMethod("POST");
      if (this.#isDead) throw engineDead();
      this.#life.admit(reply, () => {
        audio(exchange, this.#engineFor(request)).catch((error) =>
          this.#guard(reply, () => {
            throw error;
          })
        );
      });
      return;
    }
    const response = /^\/v1\/responses\/([^/]+)(\/cancel)?$/.exec(request.path);
    if (response) {
      const wanted = response[2] ? "POST" : "GET";
      if (request.method !== wanted) throw wrongMethod(wanted);
      if (response[2]) this.#responses.cancel(exchange, response[1]);
      else this.#responses.read(exchange, response[1]);
      return;
    }
    if (this.options.devMode && develop(request, reply, this.#engines, this.#life)) return;
    const get = (status: number, type: string, body: string) => {
      if (request.method !== "GET" && request.method !== "HEAD") throw wrongMethod("GET");
      reply.send(status, type === "" ? {} : { "content-type": type }, body);
    };
    switch (request.path) {
      case "/health":
      case "/ping":
        return get(this.#isDead ? 503 : 200, "", "");
      case "/version":
        return get(200, "application/json", JSON.stringify({ version: VERSION }));
      case "/load":
        return get(200, "application/json", JSON.stringify({ server_load: this.#load }));
      case "/metrics": {
        const state = this.#life.asleep ? "weights_offloaded" : "awake";
        return get(
          200,
          "text/plain; version=0.0.4; charset=utf-8",
          metricsText(
            this.options.models[0],
            this.#engines.map((engine) => engine.metricFamilies(state)),
          ),
        );
      }
      case "/v1/models":
        return get(200, "application/json", JSON.stringify(modelList(this.options)));
      default:
        throw new ApiError(404, "Not Found", "Not Found");
    }
  }
}

function wrongMethod(allowed: string): ApiError {
  return new ApiError(405, "Method Not Allowed", "Method Not Allowed", null, { allow: allowed });
}
