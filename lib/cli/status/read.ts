// Asks a running gateway for the snapshot that its dashboard shows.

import type { FleetSnapshot } from "../../dashboard/source.ts";
import { askGateway } from "../ask_gateway.ts";

const TIMEOUT_MS = 5000;

/** Throws an Error with what to do about it. */
export async function readFleet(url: string, token: string | undefined): Promise<FleetSnapshot> {
  const { history: _, ...snapshot } = await askGateway<FleetSnapshot & { history: unknown }>(
    { url, token },
    "fleet",
    undefined,
    TIMEOUT_MS,
  );
  return snapshot;
}
