// `status`: what a running gateway's instances do, as a table, as JSON, or as a table that is kept up.

import type { FleetSnapshot } from "../dashboard/source.ts";
import { command } from "./command/command.ts";
import { optional, toggle } from "./command/flag.ts";
import { text } from "./command/kind.ts";
import { gatewayFlags, gatewayOf } from "./gateway_flags.ts";
import { Interrupt } from "./interrupt.ts";
import { print } from "./print.ts";
import { readFleet } from "./status/read.ts";
import { table } from "./status/table.ts";

const WATCH_MS = 1000;

export const status = command({
  name: "status",
  summary: "shows the instances of a running gateway",
  flags: {
    url: gatewayFlags.url,
    token: optional(
      text("TOKEN"),
      "admin.token of its configuration; needed from other hosts. ADMIN_TOKEN in the environment is " +
        "taken where this is missing",
    ),
    json: toggle("everything there is to know, as one JSON object"),
    watch: toggle("show it again every second, until Ctrl-C"),
  },
  details:
    "Exits with 0 when some instance can serve, 2 when none can, 1 when the gateway does not answer.",
  examples: [
    "simple-ai-gateway status",
    "simple-ai-gateway status --watch",
    `simple-ai-gateway status --json | jq '.instances[] | select(.state != "healthy") | .name'`,
  ],
}, async ({ values }) => {
  const { url, token } = gatewayOf(values);
  const terminal = Deno.stdout.isTerminal();
  const look = () => readFleet(url, token);
  const show = (snapshot: FleetSnapshot) =>
    values.json ? JSON.stringify(snapshot) : table(snapshot, terminal && !Deno.noColor);
  if (values.watch) return await watch(look, show, terminal && !values.json);
  try {
    const snapshot = await look();
    console.log(values.json ? JSON.stringify(snapshot, null, 2) : show(snapshot));
    return snapshot.status === "unavailable" ? 2 : 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
});

/** Resolves to the exit code after Ctrl-C. A gateway that is away is waited for. */
async function watch(
  look: () => Promise<FleetSnapshot>,
  show: (snapshot: FleetSnapshot) => string,
  repaint: boolean,
): Promise<number> {
  using interrupt = new Interrupt();
  while (!interrupt.came) {
    let text: string;
    try {
      text = show(await look());
    } catch (error) {
      text = error instanceof Error ? error.message : String(error);
    }
    // Home, the text with each line's rest cleared, then everything below.
    print(
      repaint ? `\x1b[H${text.split("\n").map((line) => `${line}\x1b[K`).join("\n")}\x1b[J` : text,
    );
    await interrupt.pause(WATCH_MS);
  }
  return 0;
}
