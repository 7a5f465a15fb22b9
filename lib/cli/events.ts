// `events`: what happened to the fleet and the gateway, with or without a running one.

import { command } from "./command/command.ts";
import { optional, toggle, withDefault } from "./command/flag.ts";
import { text, whole } from "./command/kind.ts";
import { folderFlags } from "./folder_flags.ts";
import { MOMENT } from "./since.ts";

export const events = command({
  name: "events",
  summary: "shows what happened: instances out and back, failovers, reloads, alerts",
  about:
    `Shows what happened lately, oldest first; what repeats is one line with its first and last time. It
reads data_dir/events.jsonl, so it needs no token and works when the gateway is down.`,
  flags: {
    ...folderFlags,
    since: withDefault(MOMENT, "1d", "from then on: 10m, 2h, 3d, 2026-01-31T12:00"),
    problems: toggle("only what is no good news"),
    about: optional(text("NAME"), "only this instance, model or part"),
    limit: withDefault(whole("N", 1, 100_000), "200", "at most so many"),
    json: toggle("one JSON object a line"),
  },
  details: "`requests` shows the requests of the same time, `status` how it is now.",
  examples: [
    "simple-ai-gateway events --since 1h",
    "simple-ai-gateway events --problems --about gpu-1",
  ],
}, async ({ values }) => {
  const [{ showEvents }, { dataDirToRead }] = await Promise.all([
    import("./events/show.ts"),
    import("./data_dir.ts"),
  ]);
  const dataDir = await dataDirToRead(values);
  if (dataDir === null) return 1;
  return await showEvents(dataDir, values);
});
