// What a running gateway says of its choices: where a request would go (POST /admin/explain, its body that of
// the request) and where the last ones went (GET /admin/decisions). Names and numbers, no word of a prompt.

import type { AdminReply, AdminRequest } from "../../http/admin.ts";
import { DECISIONS } from "../../http/admin.ts";
import { jsonReply, problem, wrongMethod } from "../../http/admin_reply.ts";
import { RequestError } from "../../http/client.ts";
import { explainRequest } from "../../server/explain.ts";
import type { Fleet } from "../../pool/fleet.ts";
import type { Decisions } from "./decisions.ts";
import type { Snapshots } from "../snapshots.ts";

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
    if (request.method !== wanted) return wrongMethod(wanted);
    if (pathname === DECISIONS) {
      const last = Number(searchParams.get("last") ?? USUAL_LAST);
      if (!Number.isInteger(last) || last < 1) return problem(400, "last: expected a whole number");
      return jsonReply(200, { decisions: this.decisions.last(last) });
    }
    try {
      return jsonReply(
        200,
        await explainRequest(this.fleet, this.snapshots.config, {
          path: searchParams.get("path") ?? "/v1/chat/completions",
          group: searchParams.get("group"),
          headers: request.headers,
          body: request.body,
        }),
      );
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return problem(error.status, error.message);
    }
  }
}
