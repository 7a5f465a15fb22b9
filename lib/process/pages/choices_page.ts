// What a running gateway says of its choices: where a request would go (POST /admin/explain, its body that of
// the request) and where the last ones went (GET /admin/decisions). Names and numbers, no word of a prompt.

import type { AdminReply, AdminRequest } from "../../http/admin.ts";
import { DECISIONS } from "../../http/admin.ts";
import { RequestError } from "../../http/client.ts";
import { openAiErrorBody } from "../../http/openai_error.ts";
import { explainRequest } from "../../server/explain.ts";
import type { Fleet } from "../../pool/fleet.ts";
import type { Decisions } from "./decisions.ts";
import type { Snapshots } from "../snapshots.ts";

const encoder = new TextEncoder();
const USUAL_LAST = 20;

export class ChoicesPage {
  constructor(
    private readonly snapshots: Snapshots,
    private readonly fleet: Fleet,
    private readonly decisions: Decisions,
  ) {}

  async handle(request: AdminRequest): Promise<AdminReply> {
    const { pathname, searchParams } = new URL(request.target, "http://gateway");
    const wanted = pathname === DECISIONS ? "GET" : "POST";
    if (request.method !== wanted) return refused(405, "Method Not Allowed", [["allow", wanted]]);
    if (pathname === DECISIONS) {
      const last = Number(searchParams.get("last") ?? USUAL_LAST);
      if (!Number.isInteger(last) || last < 1) return refused(400, "last: expected a whole number");
      return json({ decisions: this.decisions.last(last) });
    }
    try {
      return json(
        await explainRequest(this.fleet, this.snapshots.config, {
          path: searchParams.get("path") ?? "/v1/chat/completions",
          group: searchParams.get("group"),
          headers: request.headers,
          body: request.body,
        }),
      );
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return refused(error.status, error.message);
    }
  }
}

function json(value: unknown): AdminReply {
  return {
    status: 200,
    headers: [["content-type", "application/json"], ["cache-control", "no-store"]],
    body: encoder.encode(JSON.stringify(value)),
  };
}

function refused(status: number, message: string, headers: [string, string][] = []): AdminReply {
  return {
    status,
    headers: [["content-type", "application/json"], ...headers],
    body: openAiErrorBody(status, message),
  };
}
