// Reads of requests that go on until a test says so: the lock of the file that is written before each of them.

import { join } from "node:path";
import { hourName } from "../../lib/observe/hour_name.ts";
import type { Fleet } from "../faults/fleet.ts";

const HOUR_MS = 3_600_000;
const REQUESTS = "/dashboard/api/requests";

/** From now on a look at requests waits for the disk. Disposing of it lets them go on. */
export async function holdReads(fleet: Fleet): Promise<Disposable> {
  const folder = join(fleet.gateway.dataDir, "requests");
  await Deno.mkdir(folder, { recursive: true });
  // This hour and the next.
  const held = await Promise.all(
    [0, HOUR_MS].map((ms) => {
      const path = join(folder, `${hourName(new Date(Date.now() + ms))}.jsonl`);
      return Deno.open(path, { create: true, write: true });
    }),
  );
  for (const file of held) await file.lock(true);
  await (await fleet.chat()).text();
  return {
    [Symbol.dispose]() {
      for (const file of held.splice(0)) file.close();
    },
  };
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
