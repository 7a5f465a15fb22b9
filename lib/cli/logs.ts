// `logs`: recorded conversations as they are written, one line each, filtered.

import { command } from "./command/command.ts";
import { repeated, toggle, withDefault } from "./command/flag.ts";
import { text } from "./command/kind.ts";
import { folderFlags } from "./folder_flags.ts";
import { MOMENT } from "./since.ts";

export const logs = command({
  name: "logs",
  summary: "shows and follows recorded conversations",
  about:
    `Shows what was recorded in the last hour, oldest first. Requests that were refused leave no record:
--errors tells how many there were, and \`requests\` shows them. (What the gateway itself says is on
its standard error.)`,
  flags: {
    ...folderFlags,
    follow: toggle("go on with what is written from now on, until Ctrl-C", { short: "f" }),
    model: repeated(text("NAME"), "only this model"),
    instance: repeated(text("NAME"), "only answers of this instance"),
    since: withDefault(
      MOMENT,
      "1h",
      "from this time on: 10m, 2h, 3d, 2026-01-31 or 2026-01-31T12:00",
    ),
    incomplete: toggle("answers that were cut, aborted or failed, too"),
    errors: toggle("only those"),
    json: toggle("the records as they are, one JSON object a line"),
  },
  examples: [
    "simple-ai-gateway logs --follow --model deepseek-r1",
    "simple-ai-gateway logs --errors --since 1d",
    "simple-ai-gateway logs --json --since 2h --instance gpu-1 | jq '.meta | fromjson | .usage'",
  ],
}, async ({ values }) => {
  const { showRecords } = await import("./logs/show.ts");
  return await showRecords({
    config: values.config,
    dataDir: values["data-dir"],
    follow: values.follow,
    folders: values.errors
      ? ["incomplete"]
      : values.incomplete
      ? ["requests_responses", "incomplete"]
      : ["requests_responses"],
    models: values.model,
    instances: values.instance,
    since: values.since,
    json: values.json,
    errors: values.errors,
  });
});
