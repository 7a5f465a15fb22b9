// The paths that vLLM has in its development mode: asleep, paused, and back.

import type { Engine } from "./engine.ts";
import type { Json } from "./exchange.ts";
import type { Reply } from "./http_reply.ts";
import type { Request } from "./http_request.ts";
import type { Life } from "./life.ts";

/** The paths of vLLM's development mode; false for others. */
export function develop(
  { method, path, query }: Request,
  reply: Reply,
  engines: readonly Engine[],
  life: Life,
): boolean {
  const answer = (value?: Json) =>
    value
      ? reply.send(200, { "content-type": "application/json" }, JSON.stringify(value))
      : reply.send(200, {}, "");
  switch (`${method} ${path}`) {
    case "POST /sleep":
      life.halt("asleep");
      answer();
      return true;
    case "POST /pause":
      if (query.get("mode") !== "keep") { for (const engine of engines) engine.abortAll(); }
      life.halt("paused");
      answer({ status: "paused" });
      return true;
    case "POST /wake_up":
      life.go();
      answer();
      return true;
    case "POST /resume":
      life.go();
      answer({ status: "resumed" });
      return true;
    case "GET /is_sleeping":
      answer({ is_sleeping: life.asleep });
      return true;
    case "GET /is_paused":
      answer({ is_paused: life.paused });
      return true;
    default:
      return false;
  }
}
