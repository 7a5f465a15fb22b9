// Answers everything at /dashboard and below: pages, figures, the live feed, records and actions. Who
// may ask at all is decided before (server/admin.ts); where figures come from is left to the source.

import type { AdminHandler, AdminReply, AdminRequest } from "../http/admin.ts";
import { openAiError } from "../http/openai_error.ts";
import { Assets, SECURITY_HEADERS } from "./assets.ts";
import { LiveFeed } from "./live.ts";
import type { ActionResult, BrowseQuery, DashboardSource } from "./source.ts";

const encoder = new TextEncoder();

export class Dashboard {
  readonly live: LiveFeed;
  readonly #assets = new Assets();

  constructor(private readonly source: DashboardSource) {
    this.live = new LiveFeed(source);
  }

  /** Ends the live streams, which would hold up the end of the process. */
  close(): void {
    this.live.close();
  }

  readonly handle: AdminHandler = async (request) => {
    const { pathname, searchParams } = new URL(request.target, "http://dashboard");
    if (pathname === "/dashboard") return redirect("dashboard/");
    const name = pathname.slice("/dashboard/".length);
    if (name.startsWith("api/")) return await this.#api(name.slice(4), searchParams, request);
    if (!isReading(request)) return problem(405, "Method Not Allowed");
    return await this.#assets.reply(name, request.headers) ?? problem(404, "Not Found");
  };

  #api(
    name: string,
    parameters: URLSearchParams,
    request: AdminRequest,
  ): AdminReply | Promise<AdminReply> {
    switch (name) {
      case "drain":
      case "undrain":
      case "reload":
        return this.#act(name, request);
    }
    if (!isReading(request)) return problem(405, "Method Not Allowed");
    switch (name) {
      case "session":
        return json(200, { trusted: request.trusted, has_token: this.source.hasToken() });
      case "fleet":
        return json(200, { ...this.source.snapshot(), history: this.source.history() });
      case "events":
        return json(200, { events: this.source.events() });
      case "config":
        return json(200, this.source.config());
      case "live":
        return this.#live(request.method === "HEAD");
      case "records":
        return this.#records(parameters);
      case "record":
        return this.#record(parameters.get("place") ?? "");
    }
    return problem(404, "Not Found");
  }

  #live(headOnly: boolean): AdminReply {
    const body = headOnly ? new Uint8Array(0) : this.live.open();
    if (body === null) return problem(503, "No more viewers now");
    return {
      status: 200,
      headers: [
        ["content-type", "text/event-stream"],
        ["cache-control", "no-store"],
        ["x-accel-buffering", "no"],
        ...SECURITY_HEADERS,
      ],
      body,
    };
  }

  async #records(parameters: URLSearchParams): Promise<AdminReply> {
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
    return json(200, await this.source.records(query));
  }

  async #record(place: string): Promise<AdminReply> {
    const record = await this.source.record(place);
    return record === null ? problem(404, "No such record") : json(200, record);
  }

  async #act(
    name: "drain" | "undrain" | "reload",
    request: AdminRequest,
  ): Promise<AdminReply> {
    if (request.method !== "POST") return problem(405, "Method Not Allowed");
    if (!request.trusted) return problem(401, "Actions need admin.token as a bearer token");
    if (name === "reload") return json(200, await this.source.reload());
    const instance = instanceIn(request.body);
    if (instance === null) return problem(400, 'expected a body {"instance": "NAME"}');
    const result: ActionResult = this.source[name](instance);
    return result.ok ? json(200, { ok: true }) : problem(result.status, result.message);
  }
}

function isReading({ method }: AdminRequest): boolean {
  return method === "GET" || method === "HEAD";
}

function instanceIn(body: Uint8Array): string | null {
  try {
    const value = JSON.parse(new TextDecoder().decode(body));
    return typeof value?.instance === "string" ? value.instance : null;
  } catch {
    // No JSON: said to the client as 400.
    return null;
  }
}

function json(status: number, value: unknown): AdminReply {
  return {
    status,
    headers: [
      ["content-type", "application/json"],
      ["cache-control", "no-store"],
      ...SECURITY_HEADERS,
    ],
    body: encoder.encode(JSON.stringify(value)),
  };
}

/** In the shape of the gateway's other errors. */
function problem(status: number, message: string): AdminReply {
  return json(status, openAiError(status, message));
}

/** Relative, so that it holds behind a proxy that adds a prefix. */
function redirect(location: string): AdminReply {
  return {
    status: 308,
    headers: [["location", location], ...SECURITY_HEADERS],
    body: new Uint8Array(0),
  };
}
