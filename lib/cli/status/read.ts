// Asks a running gateway for the snapshot that its dashboard shows.

import type { FleetSnapshot } from "../../dashboard/source.ts";

import { reasonOf } from "../probe.ts";

const TIMEOUT_MS = 5000;

/** Throws an Error with what to do about it. */
export async function readFleet(url: string, token: string | undefined): Promise<FleetSnapshot> {
  const base = url.replace(/\/+$/, "").replace(/\/v1$/, "");
  let response: Response;
  try {
    response = await fetch(`${base}/dashboard/api/fleet`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new Error(`no gateway answers at ${base}: ${reasonOf(error)}; --url names another`);
  }
  const text = await response.text();
  if (!response.ok) throw new Error(`${base} answered ${response.status}: ${messageIn(text)}`);
  const { history: _, ...snapshot } = JSON.parse(text);
  return snapshot;
}

function messageIn(text: string): string {
  try {
    return JSON.parse(text).error.message;
  } catch {
    // Some other server's error.
    return text.slice(0, 200);
  }
}
