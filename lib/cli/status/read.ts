// Asks a running gateway for the snapshot that its dashboard shows.

import type { FleetSnapshot } from "../../dashboard/source.ts";
import {
  having,
  isFlag,
  isNumber,
  isText,
  isTime,
  listOf,
  optional,
  orNull,
  type Shape,
} from "../../json/shape.ts";
import { askGateway } from "../ask_gateway.ts";

const TIMEOUT_MS = 5000;

/** Throws an Error with what to do about it. */
export async function readFleet(url: string, token: string | undefined): Promise<FleetSnapshot> {
  const { history: _, ...snapshot } = await askGateway<FleetSnapshot & { history: unknown }>(
    { url, token },
    "fleet",
    isFleet,
    undefined,
    TIMEOUT_MS,
  );
  return snapshot;
}

const figures = {
  requests: isNumber,
  errors: isNumber,
  requests_per_second: isNumber,
  tokens_per_second: isNumber,
  in_flight: isNumber,
};
const waits = { ttft_p50_ms: orNull(isNumber), ttft_p99_ms: orNull(isNumber) };

/** Values are put into texts: `time` and `last_lost` as times. */
const values: Shape = (value) =>
  having({ time: optional(orNull(isTime)), last_lost: optional(orNull(isTime)) })(value) &&
  Object.values(value).every((one) => one === null || isText(one) || isNumber(one));
const sentence = { words: isText, values };
const levelled = having({
  ...sentence,
  level: (value) => value === "good" || value === "warning" || value === "bad",
});

/** Whether all is there that is shown, where it is the answer of a gateway. */
export const isFleet = having({
  ...{ time: isTime, version: isText, status: isText, strategy: isText },
  ...{ uptime_seconds: isNumber, workers: isNumber, waiting: isNumber },
  totals: having({ ...figures, ...waits }),
  records: having({ written: isNumber, dropped: isNumber }),
  // Not of a gateway of an earlier version, while it is replaced.
  turned_away: optional(having({ open_files: isNumber, per_address: isNumber })),
  outlook: optional(having({
    strength: levelled,
    clients: levelled,
    last_hour: orNull(having(sentence)),
    todo: listOf(having({ ...sentence, instance: isText })),
  })),
  instances: listOf(having({
    ...figures,
    ...waits,
    ...{ name: isText, state: isText, cause: isText, models: listOf(isText) },
    ...{ drained: isFlag, fallback: isFlag },
    max_concurrency: orNull(isNumber),
    since: orNull(isTime),
  })),
  gateways: listOf(having({
    ...figures,
    ...{ name: isText, version: isText, uptime_seconds: isNumber, waiting: isNumber },
    age: isNumber,
  })),
  discovery: listOf(having({
    ...{ name: isText, instances: isNumber },
    ...{ since: orNull(isText), error: orNull(isText), error_since: orNull(isText) },
  })),
});
