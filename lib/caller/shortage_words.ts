// Why a request was not taken for now, in words for people and for machines.

import type { Shortage } from "./counters.ts";
import { Refusal } from "./refusal.ts";

/** `worst` is the shortage that lasts longest; `waited` a sentence on what was tried. */
export function refusalOf(worst: Shortage, waited = ""): Refusal {
  const { limit, allowed, left, needed, waitMs, scope } = worst;
  const who = scope.kind === "model" ? "Model" : scope.kind === "group" ? "Group" : "Key";
  const name = `${who} \`${scope.name}\``;
  const mayUse = scope.kind === "model" ? "takes" : "may use";
  const again = waitMs === null ? "" : ` Try again in ${secondsIn(waitMs)} s.`;
  const message = limit === "concurrency"
    ? `${name} may have ${allowed} request${
      allowed === 1 ? "" : "s"
    } at once, and has.${waited} Try again when one has ended.`
    : waitMs === null
    ? `${name} ${mayUse} ${allowed} ${
      unitOf(limit)
    } a minute, and this request alone needs about ` +
      `${
        Math.ceil(needed)
      }: it can never be taken. Ask for less, with a shorter prompt or max_tokens.`
    : limit === "tokens_per_minute"
    ? `${name} ${mayUse} ${allowed} tokens a minute; ${left} are left and this request needs about ` +
      `${Math.ceil(needed)}.${waited}${again}`
    : `${name} ${
      scope.kind === "model" ? "takes" : "may make"
    } ${allowed} requests a minute; none is left.${waited}${again}`;
  return new Refusal({
    status: 429,
    reason: limit,
    message,
    waitMs,
    shouldRetry: waitMs !== null,
    limit: allowed,
    remaining: left,
  });
}

function unitOf(limit: Shortage["limit"]): string {
  return limit === "requests_per_minute" ? "requests" : "tokens";
}

/** Rounded up, so that who waits so long does not come too early. */
function secondsIn(ms: number): string {
  const tenths = Math.ceil(ms / 100) / 10;
  return tenths < 10 ? tenths.toFixed(1) : String(Math.ceil(tenths));
}
