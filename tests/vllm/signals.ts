// Streams and whole answers while one of two servers is killed, told to end, or loses its engine.

import { readSse } from "../support/sse.ts";
import type { GatewayProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { APIS, hear, type Heard, streamed } from "./apis.ts";
import { judge } from "./cuts.ts";
import { type Report, type Row, row } from "./report.ts";
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

/** What is asked while it happens: two streams of each API. */
const ASKED = APIS.flatMap((api) =>
  [1, 2].map((number) => ({
    api,
    body: { ...streamed(api, `Story ${number}`, 0, LONG), ignore_eos: true },
  }))
);

/** The answers as `server` gives them by itself. */
export async function undisturbed(server: Server): Promise<Heard[]> {
  return await Promise.all(ASKED.map(async ({ api, body }) => {
    const response = await fetch(server.origin + api.path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return hear(api, await readSse(response));
  }));
}

/** A row of the report for each API. */
export function rowsFor(what: Trouble, report: Report): Map<string, Row> {
  const rows = new Map(APIS.map(({ name }) => [name, row(what.name, name)]));
  report.rows.push(...rows.values());
  return rows;
}

interface Trial {
  /** Before `victim` and another server. */
  gateway: GatewayProcess;
  victim: Server;
  what: Trouble;
  references: readonly Heard[];
  rows: ReadonlyMap<string, Row>;
  report: Report;
}

/** The streams run while `victim` meets its trouble. */
export async function trouble(trial: Trial): Promise<void> {
  const { gateway, victim, what, references, rows, report } = trial;
  const answers = ASKED.map(async ({ api, body }) =>
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
    const { api } = ASKED[at];
    const odd = judge(rows.get(api.name)!, heard, references[at], false, LONG);
    if (odd) report.notes.push(`${what.name}, ${api.name}: ${odd}`);
  });
}
