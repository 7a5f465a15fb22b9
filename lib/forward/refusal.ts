// Why nobody answered a request, in words for its client.

import type { Instance } from "../pool/instance.ts";
import type { Pool } from "../pool/pool.ts";
import type { Failure } from "./failure.ts";
import type { ForwardRequest } from "./request.ts";

export interface NoAnswer {
  status: number;
  message: string;
  retryAfterS: number | null;
}

/** An attempt that came to nothing. */
export interface Failed {
  instance: Instance;
  failure: Failure;
}

/** Nobody was there to be asked. */
export function nobodyTakes(model: string, { privateInstances }: Pool): NoAnswer {
  const busyMs = Math.min(
    ...privateInstances.filter((one) => one.takesRequests).map((one) => one.busyForMs),
  );
  if (Number.isFinite(busyMs) && busyMs > 0) {
    const message = `All instances of model \`${model}\` are busy`;
    return { status: 429, message, retryAfterS: Math.ceil(busyMs / 1000) };
  }
  const message = `No instance of model \`${model}\` takes requests`;
  return { status: 503, message, retryAfterS: null };
}

/** All who were asked failed; at least one. `maxRetryAfterS` bounds what the client is told to wait. */
export function nobodyCould(
  { model, stickyTo }: ForwardRequest,
  failures: readonly Failed[],
  maxRetryAfterS: number,
): NoAnswer {
  // Instances have nothing to do with it.
  if (failures.every(({ failure }) => failure.kind === "scarce")) {
    const { message, retryAfterS } = failures[0].failure;
    return { status: 503, message: `Not now: ${message}`, retryAfterS };
  }
  const statuses = new Set(failures.map(({ failure }) => failure.status));
  const status = statuses.size === 1 ? [...statuses][0] : statuses.has(502) ? 502 : 503;
  // An instance that was asked twice is named once, with what it said last.
  const said = new Map(failures.map(({ instance, failure }) => [instance.name, failure]));
  const why = stickyTo === null
    ? `No instance of model \`${model}\` could answer. `
    : `Only ${stickyTo} keeps what the request refers to, and it could not answer. `;
  const message = why +
    [...said].map(([name, failure]) => `${name}: ${failure.message}`).join("; ");
  const waits = failures.map(({ failure }) => failure.retryAfterS).filter((s) => s !== null);
  const allBusy = failures.every(({ failure }) => failure.kind === "busy");
  const retryAfterS = waits.length > 0 ? Math.min(...waits, maxRetryAfterS) : allBusy ? 1 : null;
  return { status, message, retryAfterS };
}
