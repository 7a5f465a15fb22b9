// Reads of requests that go on until a test says so: the lock of the file that is written before each of them.

import { join } from "node:path";
import type { Fleet } from "../faults/fleet.ts";
import { holdHours } from "../support/held_hours.ts";

const REQUESTS = "/dashboard/api/requests";

/** From now on a look at requests waits for the disk. Disposing of it lets them go on. */
export async function holdReads(fleet: Fleet): Promise<Disposable> {
  const held = await holdHours(join(fleet.gateway.dataDir, "requests"));
  await (await fleet.chat()).text();
  return held;
}

/** Asks for requests until one is refused: that answer, and those before it, which wait. */
export async function fillQueue(
  fleet: Fleet,
  signal: AbortSignal,
): Promise<{ refused: Response; waiting: Promise<Response>[] }> {
  const waiting: Promise<Response>[] = [];
  let refused: Response | null = null;
  while (refused === null) {
    const asked = fetch(`${fleet.gateway.url}${REQUESTS}`, { signal });
    waiting.push(asked);
    // Refused at once, or not at all: a later question tells of it.
    asked.then((response) => {
      if (response.status !== 503) return;
      waiting.splice(waiting.indexOf(asked), 1);
      refused ??= response;
    }, () => {});
    await (await fetch(`${fleet.gateway.url}/dashboard/api/session`)).text();
  }
  return { refused, waiting };
}
