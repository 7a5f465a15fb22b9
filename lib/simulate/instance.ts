// A simulated vLLM server: routes, keys, the faults that come before an answer, and the control
// paths under /simulate/ that only a simulated one has.

import { audio } from "./audio.ts";
import { chat } from "./chat.ts";
import { completions } from "./completions.ts";
import { Engine, type EngineOptions } from "./engine.ts";
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
import { type Fault, type FaultRule, Faults, parseFault } from "./faults.ts";
import { type HttpServer, listen, type Reply, type Request } from "./http_server.ts";
import { countTokens, messages } from "./messages.ts";
import { Pacer } from "./pacing.ts";
import { classify, embeddings, pooling, rerank, score } from "./pooling.ts";
import { Responses } from "./responses.ts";
import { detokenize, tokenize } from "./tokens.ts";

/** The version that /version names: what the dialect was taken from. */
const VERSION = "0.27.0";
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
  close(): Promise<void>;
}

/** What an instance does unless told otherwise. */
export const DEFAULTS: EngineOptions = {
  models: ["demo"],
  ttftS: 0.2,
  tokensPerSecond: 50,
  maxModelLen: 32_768,
  apiKey: null,
  reasoningTokens: 0,
  reasoningField: "reasoning",
  answer: null,
  tokens: null,
  seed: 0,
  maxNumSeqs: 0,
  cacheBlocks: 20_000,
};

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

/** Starts a simulated instance. Rejects when the port is taken. */
export async function startSimulated(options: SimulateOptions = {}): Promise<SimulatedInstance> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const instance = new Instance(
    { ...DEFAULTS, ...Object.fromEntries(given) },
    options.faults ?? [],
  );
  return await instance.listen(options.hostname ?? "127.0.0.1", options.port ?? 0);
}

class Instance {
  readonly #engine: Engine;
  readonly #pacer = new Pacer();
  readonly #responses = new Responses();
  readonly #faults: Faults;
  readonly #initialFaults: readonly FaultRule[];
  #log: LogEntry[] = [];
  #server: HttpServer | null = null;
  #returning: ReturnType<typeof setTimeout> | undefined;
  #load = 0;

  constructor(private readonly options: EngineOptions, faults: readonly FaultRule[]) {
    this.#engine = new Engine(options, this.#pacer);
    this.#faults = new Faults(faults);
    this.#initialFaults = faults;
  }

  async listen(hostname: string, port: number): Promise<SimulatedInstance> {
    this.#server = await listen({
      hostname,
      port,
      handle: (request, reply) => this.#handle(request, reply),
    });
    for (const fault of this.#initialFaults) if (fault.kind === "refuse") this.#refuse(fault);
    const server = this.#server;
    const host = hostname.includes(":") ? `[${hostname}]` : hostname;
    return {
      url: `http://${host}:${server.port}/v1`,
      port: server.port,
      model: this.#engine.model,
      close: async () => {
        clearTimeout(this.#returning);
        this.#pacer.close();
        await server.close();
      },
    };
  }

  #handle(request: Request, reply: Reply): void {
    if (request.path.startsWith("/simulate/")) {
      this.#guard(reply, () => this.#control(request, reply));
      return;
    }
    const log = this.#note(request, reply);
    this.#guard(reply, () => {
      const asksModel = request.method === "POST";
      const header = request.headers["x-simulate-fail"];
      const fault = header ? readFault(header) : this.#faults.meet(request.path, asksModel);
      log.fault = fault?.kind ?? null;
      if (fault && this.#failEarly(fault, request, reply)) return;
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

  /** Does the faults that come before an answer; false when an answer shall be made. */
  #failEarly(fault: Fault, request: Request, reply: Reply): boolean {
    const retryAfter: Record<string, string> = fault.retryAfterS === null
      ? {}
      : { "retry-after": String(fault.retryAfterS) };
    const streaming = reply.status === null && wantsStream(request);
    switch (fault.kind) {
      case "refuse":
        reply.reset();
        this.#refuse(fault);
        return true;
      case "hang":
        return true;
      case "hang-headers-sent":
        reply.begin(200, {
          "content-type": streaming ? "text/event-stream; charset=utf-8" : "application/json",
        });
        return true;
      case "reset":
        reply.reset();
        return true;
      case "close":
        reply.close();
        return true;
      case "400":
        throw badParameter("simulated: the request is refused");
      case "429":
        throw new ApiError(429, "RateLimitError", "simulated: too many requests", null, retryAfter);
      case "500":
        throw internalError();
      case "503":
        throw new ApiError(
          503,
          "ServiceUnavailableError",
          "simulated: the service is not available",
          null,
          retryAfter,
        );
      case "engine-dead":
        this.#engine.dead = true;
        throw engineDead();
      case "empty":
      case "empty-done":
        reply.begin(200, {
          "content-type": streaming ? "text/event-stream; charset=utf-8" : "application/json",
        });
        if (fault.kind === "empty-done" && streaming) {
          reply.write(new TextEncoder().encode("data: [DONE]\n\n"));
        }
        reply.end();
        return true;
      case "slow-head":
        reply.dribble = { maxPiece: 8, pauseMs: 10, headOnly: true };
        return false;
      case "split":
        reply.dribble = { maxPiece: 40, pauseMs: 1, headOnly: false };
        return false;
      case "drip":
        reply.dribble = { maxPiece: 1, pauseMs: 0, headOnly: false };
        return false;
      default:
        return false;
    }
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
      const body = jsonBody(request);
      try {
        this.#checkModel(body.model);
        if (this.#engine.dead) throw engineDead();
        json(exchange, this.#engine, body);
      } catch (error) {
        // What the validation of a body says has OpenAI's shape on every path.
        if (!(error instanceof ApiError) || !request.path.startsWith("/v1/messages")) throw error;
        if (error.type === "Bad Request") throw error;
        const type = { "content-type": "application/json", ...error.headers };
        reply.send(error.status, type, anthropicBody(error));
      }
      return;
    }
    this.#other(exchange);
  }

  #checkModel(model: unknown): void {
    if (model === undefined || model === null || model === "") return;
    if (!this.options.models.includes(String(model))) throw unknownModel(String(model));
  }

  #other(exchange: Exchange): void {
    const { request, reply } = exchange;
    if (/^\/v1\/audio\/(transcriptions|translations)$/.test(request.path)) {
      if (request.method !== "POST") throw wrongMethod("POST");
      if (this.#engine.dead) throw engineDead();
      audio(exchange, this.#engine).catch((error) =>
        this.#guard(reply, () => {
          throw error;
        })
      );
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
    const get = (status: number, type: string, body: string) => {
      if (request.method !== "GET" && request.method !== "HEAD") throw wrongMethod("GET");
      reply.send(status, type === "" ? {} : { "content-type": type }, body);
    };
    switch (request.path) {
      case "/health":
      case "/ping":
        return get(this.#engine.dead ? 503 : 200, "", "");
      case "/version":
        return get(200, "application/json", JSON.stringify({ version: VERSION }));
      case "/load":
        return get(200, "application/json", JSON.stringify({ server_load: this.#load }));
      case "/metrics":
        return get(
          200,
          "text/plain; version=0.0.4; charset=utf-8",
          this.#engine.metricsText(),
        );
      case "/v1/models":
        return get(200, "application/json", JSON.stringify(this.#models()));
      default:
        throw new ApiError(404, "Not Found", "Not Found");
    }
  }

  #models() {
    const created = Math.floor(Date.now() / 1000);
    return {
      object: "list",
      data: this.options.models.map((id) => ({
        id,
        object: "model",
        created,
        owned_by: "vllm",
        root: this.#engine.model,
        parent: null,
        max_model_len: this.options.maxModelLen,
        permission: [{
          id: "modelperm-simulated",
          object: "model_permission",
          created,
          allow_create_engine: false,
          allow_sampling: true,
          allow_logprobs: true,
          allow_search_indices: false,
          allow_view: true,
          allow_fine_tuning: false,
          organization: "*",
          group: null,
          is_blocking: false,
        }],
      })),
    };
  }

  #control(request: Request, reply: Reply): void {
    const answer = (value: unknown) =>
      reply.send(200, { "content-type": "application/json" }, JSON.stringify(value));
    switch (`${request.method} ${request.path}`) {
      case "GET /simulate/requests":
        return answer({ requests: this.#log });
      case "GET /simulate/fail":
        return answer({ faults: this.#faults.list() });
      case "POST /simulate/fail": {
        const body = jsonBody(request);
        const rule = readFault(String(body.kind));
        if (typeof body.count === "number") rule.count = body.count;
        if (typeof body.probability === "number") rule.probability = body.probability;
        if (typeof body.path === "string") rule.path = body.path;
        // These concern the whole server, so they hold from now on, not from the next request on.
        if (rule.kind === "engine-dead") this.#engine.dead = true;
        else if (rule.kind !== "refuse") this.#faults.add(rule);
        answer({ faults: this.#faults.list() });
        if (rule.kind === "refuse") this.#refuse(rule);
        return;
      }
      case "POST /simulate/reset":
        this.#faults.clear();
        this.#engine.dead = false;
        this.#engine.cache.clear();
        this.#responses.forget();
        this.#log = [];
        return answer({ reset: true });
      default:
        throw new ApiError(404, "Not Found", "Not Found");
    }
  }
}

function wantsStream(request: Request): boolean {
  return /"stream"\s*:\s*true/.test(new TextDecoder().decode(request.body));
}

function readFault(text: string): FaultRule {
  try {
    return parseFault(text);
  } catch (error) {
    if (error instanceof RangeError) throw badParameter(error.message, "x-simulate-fail");
    throw error;
  }
}

function wrongMethod(allowed: string): ApiError {
  return new ApiError(405, "Method Not Allowed", "Method Not Allowed", null, { allow: allowed });
}
