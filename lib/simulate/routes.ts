// What an instance answers: its paths, its key, and the shape of its errors.

import { audio } from "./audio.ts";
import { chat } from "./chat.ts";
import { completions } from "./completions.ts";
import { develop } from "./develop.ts";
import type { Engine, EngineOptions } from "./engine.ts";
import { anthropicBody, ApiError, engineDead, unknownModel } from "./errors.ts";
import { type Exchange, type Json, jsonBody } from "./exchange.ts";
import type { Reply } from "./http_reply.ts";
import { lax } from "./lax.ts";
import type { Life } from "./life.ts";
import { countTokens, messages } from "./messages.ts";
import { metricsText } from "./metrics.ts";
import { modelList } from "./models.ts";
import { classify, embeddings, pooling, rerank, score } from "./pooling.ts";
import type { Ranks } from "./ranks.ts";
import { Responses } from "./responses.ts";
import { detokenize, tokenize } from "./tokens.ts";

/** The version that /version names: what the dialect was taken from. */
const VERSION = "0.32.0";

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

export class Routes {
  readonly #responses = new Responses();
  /** Requests to the model that run. */
  #load = 0;

  constructor(
    private readonly options: EngineOptions,
    private readonly ranks: Ranks,
    private readonly life: Life,
    /** Answers `reply` with what the work throws. */
    private readonly guard: (reply: Reply, work: () => void) => void,
  ) {}

  /** Forgets the responses that were stored. */
  forget(): void {
    this.#responses.forget();
  }

  /** Throws ApiError for what it has no answer to. */
  take(exchange: Exchange): void {
    const { request, reply } = exchange;
    if (request.method === "POST") {
      this.#load++;
      reply.onFinish(() => this.#load--);
    }
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
        if (this.ranks.isDead) throw engineDead();
        const work = () => json(exchange, this.ranks.engineFor(request), body);
        if (WITHOUT_ENGINE.includes(request.path)) work();
        else this.life.admit(reply, () => this.guard(reply, () => this.#inDialect(exchange, work)));
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

  #checkModel(model: unknown): void {
    if (model === undefined || model === null || model === "") return;
    const { models } = this.options;
    if (!models.includes(String(model))) throw unknownModel(String(model), models);
  }

  #other(exchange: Exchange): void {
    const { request, reply } = exchange;
    if (/^\/v1\/audio\/(transcriptions|translations)$/.test(request.path)) {
      if (request.method !== "POST") throw wrongMethod("POST");
      if (this.ranks.isDead) throw engineDead();
      this.life.admit(reply, () => {
        audio(exchange, this.ranks.engineFor(request)).catch((error) =>
          this.guard(reply, () => {
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
    if (this.options.devMode && develop(request, reply, this.ranks.engines, this.life)) return;
    const get = (status: number, type: string, body: string) => {
      if (request.method !== "GET" && request.method !== "HEAD") throw wrongMethod("GET");
      reply.send(status, type === "" ? {} : { "content-type": type }, body);
    };
    switch (request.path) {
      case "/health":
      case "/ping":
        return get(this.ranks.isDead ? 503 : 200, "", "");
      case "/version":
        return get(200, "application/json", JSON.stringify({ version: VERSION }));
      case "/load":
        return get(200, "application/json", JSON.stringify({ server_load: this.#load }));
      case "/metrics": {
        const state = this.life.asleep ? "weights_offloaded" : "awake";
        return get(
          200,
          "text/plain; version=0.0.4; charset=utf-8",
          metricsText(
            this.options.models[0],
            this.ranks.engines.map((engine) => engine.metricFamilies(state)),
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
