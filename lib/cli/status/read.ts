// Asks a running gateway for the snapshot that its dashboard shows.

import type { FleetSnapshot } from "../../dashboard/source.ts";
import { isObject, type Json, objectsIn } from "../../json/json.ts";
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

/** Whether it names instances, and counts. */
export function isFleet({ instances, totals, records }: Json): boolean {
  return Array.isArray(instances) && objectsIn(instances).length === instances.length &&
    instances.every(({ name }) => typeof name === "string") && isObject(totals) &&
    isObject(records);
}
