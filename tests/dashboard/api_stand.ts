// What tests of the dashboard's API share: a fleet with a token and secrets, and ways to ask of it and to act on it.

import assert from "node:assert/strict";
import { type Fleet, type FleetOptions, startFleet } from "../faults/fleet.ts";
import { type SseEvent, sseEvents } from "../support/sse.ts";

export const TOKEN = "correct-horse-battery";
export const SECRETS = [TOKEN, "sk-first-secret", "sk-second-secret"];

export function startGuarded(options: FleetOptions = {}): Promise<Fleet> {
  return startFleet({
    ...options,
    each: (index) => ({ api_key: index === 0 ? SECRETS[1] : SECRETS[2] }),
    config: { admin: { token: TOKEN, local: true }, ...options.config },
  });
}

export const bearer = { authorization: `Bearer ${TOKEN}` };

// deno-lint-ignore no-explicit-any -- tests look into many shapes
export async function get(fleet: Fleet, path: string, init: RequestInit = {}): Promise<any> {
  const response = await fetch(`${fleet.gateway.url}/dashboard/api/${path}`, init);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}

export async function act(
  fleet: Fleet,
  path: string,
  body: unknown = {},
  headers: HeadersInit = bearer,
) {
  const response = await fetch(`${fleet.gateway.url}/dashboard/api/${path}`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

/** The events of the live feed, as long as `wanted` asks for more. */
export async function follow(
  fleet: Fleet,
  wanted: (event: SseEvent) => boolean,
): Promise<SseEvent[]> {
  const ending = new AbortController();
  const url = `${fleet.gateway.url}/dashboard/api/live`;
  const response = await fetch(url, { signal: ending.signal });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const seen: SseEvent[] = [];
  for await (const event of sseEvents(response)) {
    seen.push(event);
    if (wanted(event)) break;
  }
  ending.abort();
  return seen;
}
