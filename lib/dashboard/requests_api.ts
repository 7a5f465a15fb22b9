// The part of the dashboard's API that tells of kept requests: the list, the story of one, and the curves of the
// last days.

import type { AdminReply } from "../http/admin.ts";
import { jsonReply, problem } from "../http/admin_reply.ts";
import type { Turns } from "../http/turns.ts";
import { type Range, RANGES } from "../observe/minute_files.ts";
import { queryIn } from "../requests/parameters.ts";
import { timelineOf } from "../requests/timeline.ts";
import type { DashboardSource } from "./source.ts";

export class RequestsApi {
  constructor(
    private readonly source: Pick<DashboardSource, "requests" | "request" | "curves">,
  ) {}

  /** null where `name` is none of its paths. */
  async reply(
    name: string,
    parameters: URLSearchParams,
    turns: Turns,
  ): Promise<AdminReply | null> {
    switch (name) {
      case "requests": {
        const query = queryIn(parameters);
        return typeof query === "string"
          ? problem(400, query)
          : jsonReply(200, await this.source.requests(query, turns));
      }
      case "history": {
        const range = parameters.get("range") ?? "1h";
        return isRange(range)
          ? jsonReply(200, await this.source.curves(parameters.get("of") ?? "", range, turns))
          : problem(400, `range: expected one of ${Object.keys(RANGES).join(", ")}`);
      }
      case "request": {
        const id = parameters.get("id") ?? "";
        const near = Number(parameters.get("at"));
        const story = await this.source.request(id, near > 0 ? near : null, turns);
        return story === null
          ? problem(404, "No such request is kept")
          : jsonReply(200, { ...story, timeline: timelineOf(story) });
      }
    }
    return null;
  }
}

function isRange(text: string): text is Range {
  return Object.hasOwn(RANGES, text);
}
