// Answers everything at /dashboard and below: pages, figures, the live feed, records and actions. Who
// may ask at all is decided before (server/admin.ts); where figures come from is left to the source.

import type { AdminHandler, AdminReply, AdminRequest } from "../http/admin.ts";
import type { Turns } from "../http/turns.ts";
import { jsonReply, problem, redirect, reply, wrongMethod } from "../http/admin_reply.ts";
import { openAiError } from "../http/openai_error.ts";
import { fileWords, isFileProblem } from "../observe/file_words.ts";
import { Assets } from "./assets.ts";
import { MAX_WAITING, ReadQueue, TooManyReads } from "./read_queue.ts";
import { LiveFeed } from "./live.ts";
import { RequestsApi } from "./requests_api.ts";
import { usageReply } from "./usage_api.ts";
import type { ActionResult, BrowseQuery, DashboardSource } from "./source.ts";

export class Dashboard {
  readonly live: LiveFeed;
  readonly #assets = new Assets();
  readonly #requests: RequestsApi;
  readonly #reads = new ReadQueue();

  constructor(private readonly source: DashboardSource) {
    this.live = new LiveFeed(source);
    this.#requests = new RequestsApi(source);
  }

  /** Ends the live streams, which would hold up the end of the process. */
  close(): void {
    this.live.close();
  }

  readonly handle: AdminHandler = async (request, asker) => {
    // As it was read by who let it in: a second reading could find another page.
    const [path, ...query] = request.target.split("?");
    if (path === "/dashboard") return redirect(308, "dashboard/");
    const name = path.slice("/dashboard/".length);
    if (name.startsWith("api/")) {
      const parameters = new URLSearchParams(query.join("?"));
      try {
        return await this.#api(name.slice(4), parameters, request, asker);
      } catch (error) {
        if (error instanceof TooManyReads) return tooManyReads();
        // What is on the disk may be gone, forbidden or damaged: whoever looks is the one to hear of it.
        if (isFileProblem(error)) return problem(503, fileWords(error));
        throw error;
      }
    }
    if (!isReading(request)) return wrongMethod("GET, HEAD");
    return await this.#assets.reply(name, request.headers) ?? problem(404, "Not Found");
  };

  async #api(
    name: string,
    parameters: URLSearchParams,
    request: AdminRequest,
    asker: AbortSignal,
  ): Promise<AdminReply> {
    switch (name) {
      case "drain":
      case "undrain":
      case "reload":
        return await this.#act(name, request);
      case "reset_limits":
        return await this.#resetLimits(request);
      case "check":
        return this.#check(request);
      case "try":
        return await this.#try(request);
      case "ask":
        return await this.#ask(request);
    }
    if (!isReading(request)) return wrongMethod("GET, HEAD");
    switch (name) {
      case "session":
        return jsonReply(200, { trusted: request.trusted, has_token: this.source.hasToken() });
      case "fleet":
        return jsonReply(200, { ...this.source.snapshot(), history: this.source.history() });
      case "events":
        return jsonReply(200, { events: this.source.events() });
      case "config":
        return jsonReply(200, this.source.config());
      case "live":
        return this.#live(request.method === "HEAD");
      case "keys":
        return await this.#keys(parameters.get("q") ?? "");
      case "failing":
        return jsonReply(200, this.source.failing());
      case "policies":
        return jsonReply(200, this.source.policies());
    }
    return await this.#reads.run(asker, (turns) => this.#ofFiles(name, parameters, turns));
  }

  /** What lies in files. */
  async #ofFiles(name: string, parameters: URLSearchParams, turns: Turns): Promise<AdminReply> {
    switch (name) {
      case "config_file":
        return jsonReply(200, { file: await this.source.configFile() });
      case "records":
        return await this.#records(parameters, turns);
      case "record":
        return await this.#record(parameters.get("place") ?? "", turns);
      case "usage":
        return await usageReply(this.source, parameters, turns);
    }
    return await this.#requests.reply(name, parameters, turns) ?? problem(404, "Not Found");
  }

  #live(headOnly: boolean): AdminReply {
    const body = headOnly ? new Uint8Array(0) : this.live.open();
    if (body === null) return problem(503, "No more viewers now");
    return reply(200, "text/event-stream", body, [["x-accel-buffering", "no"]]);
  }

  async #records(parameters: URLSearchParams, turns: Turns): Promise<AdminReply> {
    const query: BrowseQuery = {
      text: parameters.get("q") ?? "",
      model: parameters.get("model") ?? "",
      hour: parameters.get("hour") ?? "",
      incomplete: parameters.get("incomplete") === "1",
      cursor: parameters.get("cursor") ?? "",
    };
    if (query.hour !== "" && !/^\d{8}_\d{2}$/.test(query.hour)) {
      return problem(400, "hour: expected YYYYMMDD_HH");
    }
    if (query.cursor !== "" && !/^\d{8}_\d{2}:\d{1,15}$/.test(query.cursor)) {
      return problem(400, "cursor: expected one of an earlier page");
    }
    return jsonReply(200, await this.source.records(query, turns));
  }

  async #keys(query: string): Promise<AdminReply> {
    return jsonReply(200, await this.source.keys(query));
  }

  async #record(place: string, turns: Turns): Promise<AdminReply> {
    const record = await this.source.record(place, turns);
    return record === null ? problem(404, "No such record") : jsonReply(200, record);
  }

  async #act(
    name: "drain" | "undrain" | "reload",
    request: AdminRequest,
  ): Promise<AdminReply> {
    const refusal = refusalOf(request);
    if (refusal !== null) return refusal;
    if (name === "reload") return jsonReply(200, await this.source.reload());
    const asked = drainIn(request.body);
    if (asked === null) return problem(400, 'expected a body {"instance": "NAME"}');
    const { instance, move } = asked;
    const result: ActionResult = this.source[name](instance);
    const isDrained = name === "drain" && this.source.config().drained.includes(instance);
    // Drained before: what runs there may still be moved.
    if (!result.ok && !(move && isDrained)) return problem(result.status, result.message);
    // What is acknowledged holds for the next request, and outlives a crash.
    await this.source.kept();
    const moved = move && isDrained ? await this.source.move(instance) : {};
    const note = result.ok && result.note !== undefined ? { note: result.note } : {};
    return jsonReply(200, { ok: true, ...note, ...moved });
  }

  /** The body is the text of a configuration. It may name files and variables: only with the token. */
  #check(request: AdminRequest): AdminReply {
    return refusalOf(request) ??
      jsonReply(200, this.source.checkConfig(new TextDecoder().decode(request.body)));
  }

  async #try(request: AdminRequest): Promise<AdminReply> {
    const refusal = refusalOf(request);
    if (refusal !== null) return refusal;
    const asked = triedIn(request.body);
    if (asked === null) return problem(400, 'expected {"instance": "NAME", "body": {…}}');
    const answer = await this.source.try(asked.instance, asked.body);
    return answer === null
      ? problem(404, `no instance is named ${asked.instance}`)
      : jsonReply(200, answer);
  }

  async #ask(request: AdminRequest): Promise<AdminReply> {
    const refusal = refusalOf(request);
    if (refusal !== null) return refusal;
    const asked = drainIn(request.body);
    if (asked === null) return problem(400, 'expected a body {"instance": "NAME"}');
    const found = await this.source.ask(asked.instance);
    return found === null
      ? problem(404, `no instance is named ${asked.instance}`)
      : jsonReply(200, found);
  }

  async #resetLimits(request: AdminRequest): Promise<AdminReply> {
    const refusal = refusalOf(request);
    if (refusal !== null) return refusal;
    const whose = limitsIn(request.body);
    if (whose === null) return problem(400, 'expected a body {"kind": "key", "name": "NAME"}');
    const { kind, name, budget } = whose;
    const result = budget === null
      ? await this.source.resetLimits(kind, name)
      : await this.source.resetBudget(kind, name, budget);
    return result.ok ? jsonReply(200, { ok: true }) : problem(result.status, result.message);
  }
}

const KINDS = ["key", "group", "model"] as const;
const PERIODS = ["day", "month", "total"] as const;

/** Whose limits are meant, or which of its budgets. */
interface Whose {
  kind: typeof KINDS[number];
  name: string;
  budget: typeof PERIODS[number] | null;
}

function limitsIn(body: Uint8Array): Whose | null {
  try {
    const value = JSON.parse(new TextDecoder().decode(body));
    const kind = KINDS.find((one) => one === value?.kind);
    if (kind === undefined || typeof value.name !== "string") return null;
    if (value.budget === undefined) return { kind, name: value.name, budget: null };
    const budget = PERIODS.find((one) => one === value.budget);
    return budget === undefined ? null : { kind, name: value.name, budget };
  } catch {
    // No JSON: said to the client as 400.
    return null;
  }
}

/** Seconds in which those who wait are served, where nothing is slow. */
const BUSY_S = 2;

/** Pages say it in their own words, by the type. */
function tooManyReads(): AdminReply {
  const message =
    `${MAX_WAITING} others wait to look through files; try again in ${BUSY_S} seconds`;
  const error = openAiError(503, message, null, "TooManyReadsError");
  return jsonReply(503, error, [["retry-after", `${BUSY_S}`]]);
}

/** Of an action; null where it may be done. */
function refusalOf({ method, trusted }: AdminRequest): AdminReply | null {
  if (method !== "POST") return wrongMethod("POST");
  return trusted ? null : problem(401, "Actions need admin.token as a bearer token");
}

function isReading({ method }: AdminRequest): boolean {
  return method === "GET" || method === "HEAD";
}

/** `move`: what runs there is to go on elsewhere. */
function drainIn(body: Uint8Array): { instance: string; move: boolean } | null {
  try {
    const value = JSON.parse(new TextDecoder().decode(body));
    return typeof value?.instance === "string"
      ? { instance: value.instance, move: value.move === true }
      : null;
  } catch {
    // No JSON: said to the client as 400.
    return null;
  }
}

function triedIn(body: Uint8Array): { instance: string; body: Record<string, unknown> } | null {
  try {
    const value = JSON.parse(new TextDecoder().decode(body));
    const isAsked = typeof value?.instance === "string" && typeof value.body === "object" &&
      value.body !== null && !Array.isArray(value.body);
    return isAsked ? { instance: value.instance, body: value.body } : null;
  } catch {
    // No JSON: said to the client as 400.
    return null;
  }
}
