// Streams and whole answers while one of two servers is killed, told to end, or loses its engine.

import { readSse } from "../support/sse.ts";
import type { GatewayProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { APIS, hear, type Heard, streamed } from "./apis.ts";
import { judge } from "./cuts.ts";
import { type Report, row } from "./report.ts";
import type { Server } from "./server.ts";

const LONG = 600;

/** What befalls a server. */
export interface Trouble {
  name: string;
  signal: Deno.Signal;
  to: "server" | "engine";
}

export const TROUBLES: readonly Trouble[] = [
  { name: "SIGTERM", signal: "SIGTERM", to: "server" },
  { name: "SIGKILL", signal: "SIGKILL", to: "server" },
  { name: "engine killed", signal: "SIGKILL", to: "engine" },
];

/** Two streams of each API run while `victim` meets its trouble; `other` is the one that goes on. */
export async function trouble(
  gateway: GatewayProcess,
  victim: Server,
  other: Server,
  what: Trouble,
  report: Report,
): Promise<void> {
  const asked = APIS.flatMap((api) =>
    [1, 2].map((number) => ({
      api,
      body: { ...streamed(api, `Story ${number}`, 0, LONG), ignore_eos: true },
    }))
  );
  const references: Heard[] = [];
  for (const { api, body } of asked) {
    const response = await fetch(other.origin + api.path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    references.push(hear(api, await readSse(response)));
  }
  const rows = new Map(APIS.map(({ name }) => [name, row(what.name, name)]));
  report.rows.push(...rows.values());
  const answers = asked.map(async ({ api, body }) =>
    hear(api, await readSse(await gateway.post(api.path, body)))
  );
  await waitFor(
    async () => await victim.metric("num_requests_running") >= 3,
    `requests on the server that meets ${what.name}`,
    30_000,
  );
  const begun = await victim.metric("generation_tokens_total");
  await waitFor(
    async () => await victim.metric("generation_tokens_total") > begun + 40,
    "tokens from it",
    30_000,
  );
  await victim.signal(what.signal, what.to);
  const all = await Promise.all(answers);
  all.forEach((heard, at) => {
    const { api } = asked[at];
    const odd = judge(rows.get(api.name)!, heard, references[at], false, LONG);
    if (odd) report.notes.push(`${what.name}, ${api.name}: ${odd}`);
  });
}
