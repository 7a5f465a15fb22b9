// Why nobody answered a request, in words for its client.

import { dialects } from "../api/dialects.ts";
import type { Instance } from "../pool/instance.ts";
import type { Pool } from "../pool/pool.ts";
import type { Failure } from "./failure.ts";
import type { ForwardRequest } from "./request.ts";

export interface NoAnswer {
  status: number;
  message: string;
  retryAfterS: number | null;
  /** The client shall not ask again, whatever the status makes it think. */
  isFinal?: true;
  /** The request is at fault, not those that were asked. */
  isClients?: boolean;
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
  { model, stickyTo, path }: ForwardRequest,
  failures: readonly Failed[],
  maxRetryAfterS: number,
  areAll: boolean,
): NoAnswer {
  // Instances have nothing to do with it.
  if (failures.every(({ failure }) => failure.kind === "scarce")) {
    const { message, retryAfterS } = failures[0].failure;
    return { status: 503, message: `Not now: ${message}`, retryAfterS };
  }
  const lackPath = failures.every(({ failure }) => failure.lacksPath);
  if (lackPath && areAll) {
    const who = stickyTo ?? `No instance of model \`${model}\``;
    const message = `${who} ${stickyTo === null ? "has" : "does not have"} the path ${path}`;
    // All servers have chat: where none has it, the configured addresses are those of something else.
    return { status: 404, message, retryAfterS: null, isClients: path !== dialects.chat.path };
  }
  // An instance that was asked twice is named once, with what it said last.
  const said = new Map(failures.map(({ instance, failure }) => [instance.name, failure]));
  const why = stickyTo === null
    ? `No instance of model \`${model}\` could answer. `
    : `Only ${stickyTo} keeps what the request refers to, and it could not answer. `;
  const message = why +
    [...said].map(([name, failure]) => `${name}: ${failure.message}`).join("; ");
  // Who may have the path was not to be asked now.
  const status = lackPath ? 503 : statusOf(failures);
  return { status, message, retryAfterS: waitOf(failures, maxRetryAfterS) };
}

/** The one status of all, or that of a gateway whose instances fail, or are too busy. */
function statusOf(failures: readonly Failed[]): number {
  const statuses = new Set(failures.map(({ failure }) => failure.status));
  if (statuses.size === 1) return failures[0].failure.status;
  return statuses.has(502) ? 502 : 503;
}

function waitOf(failures: readonly Failed[], maxRetryAfterS: number): number | null {
  const waits = failures.map(({ failure }) => failure.retryAfterS).filter((s) => s !== null);
  if (waits.length > 0) return Math.min(...waits, maxRetryAfterS);
  return failures.every(({ failure }) => failure.kind === "busy") ? 1 : null;
}

/** The request kills whoever is asked; names of the instances that it was at. */
export function killsEngines(deaths: readonly string[]): NoAnswer {
  const message = `${deaths.length} engines died while they had the request ` +
    `(${deaths.join(", ")}): it is given to no other instance`;
  return refusedForGood(message);
}

/** Nobody is asked, and the client shall not ask again. */
export function refusedForGood(message: string): NoAnswer {
  return { status: 502, message, retryAfterS: null, isFinal: true };
}

/** All have as much as they take, and nobody waits any longer. */
export function tooBusy(message: string): NoAnswer {
  return { status: 429, message, retryAfterS: 1 };
}

export function lineIsFull(model: string): NoAnswer {
  return tooBusy(`The queue of model \`${model}\` is full (queue.max)`);
}

export function waitedInVain(model: string, deadlineS: number): NoAnswer {
  return tooBusy(
    `All instances of model \`${model}\` are busy; waited ${deadlineS} s (queue.deadline)`,
  );
}
