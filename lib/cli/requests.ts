// `requests`: what was asked of the gateway and what became of it, as a list, or one request's story.

import { OUTCOME_WORDS } from "../requests/parameters.ts";
import { command } from "./command/command.ts";
import { optional, toggle, withDefault } from "./command/flag.ts";
import { expected, type Kind, oneOf, text, whole } from "./command/kind.ts";
import { UsageError } from "./command/read.ts";
import { folderFlags } from "./folder_flags.ts";
import { MOMENT } from "./since.ts";

const STATUS: Kind<string> = {
  placeholder: "STATUS",
  read(given) {
    if (/^[1-5](\d\d|xx)$/i.test(given)) return given.toLowerCase();
    throw expected("one such as 404 or 5xx", given);
  },
};

export const requests = command({
  name: "requests",
  summary: "shows all requests, answered or not, and what became of each",
  about:
    `Shows the newest requests, oldest first; with ID the story of one: who was asked, when, and what
each said. It reads data_dir/requests, so it needs no token and works when the gateway is down.`,
  flags: {
    ...folderFlags,
    since: withDefault(MOMENT, "1h", "that came from then on: 10m, 2h, 3d, 2026-01-31T12:00"),
    until: optional(MOMENT, "that came up to then"),
    status: optional(STATUS, "answered so: 404, 4xx, 5xx"),
    outcome: optional(
      oneOf("OUTCOME", OUTCOME_WORDS),
      "that ended so; failing: without a whole answer, though the client had not left",
    ),
    model: optional(text("NAME"), "only this model"),
    instance: optional(text("NAME"), "that this instance was asked for"),
    client: optional(text("NAME"), "of this key, group or address"),
    policy: optional(text("NAME"), "that this policy did something to"),
    slow: optional(whole("MS", 1), "that took so long or longer"),
    text: optional(text("TEXT"), "with this text in an error, the id, the path or the program"),
    limit: withDefault(whole("N", 1, 100_000), "50", "at most so many"),
    json: toggle("one JSON object a line"),
  },
  operands: { placeholder: "[ID]", words: [] },
  examples: [
    "simple-ai-gateway requests --outcome failing --since 1d",
    "simple-ai-gateway requests --instance gpu-2 --slow 10000",
    "simple-ai-gateway requests --policy words",
    "simple-ai-gateway requests 4f1c2d7e9a",
  ],
}, async ({ values, operands: [id, ...more] }) => {
  if (more.length > 0) throw new UsageError("expected one ID at most");
  const [{ showList, showStory }, { dataDirToRead }] = await Promise.all([
    import("./requests/show.ts"),
    import("./data_dir.ts"),
  ]);
  const dataDir = await dataDirToRead(values);
  if (dataDir === null) return 1;
  if (id !== undefined) return await showStory(dataDir, id, values.json);
  const { limit, json } = values;
  return await showList(dataDir, {
    since: values.since,
    until: values.until ?? null,
    status: values.status ?? "",
    outcome: values.outcome ?? "",
    model: values.model ?? "",
    instance: values.instance ?? "",
    client: values.client ?? "",
    policy: values.policy ?? "",
    slowMs: values.slow ?? null,
    text: values.text ?? "",
  }, { limit, json });
});
