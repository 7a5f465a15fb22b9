// `export`: recorded files to a data set.

import { command } from "./command/command.ts";
import { optional, repeated, toggle, withDefault } from "./command/flag.ts";
import { oneOf, path, text } from "./command/kind.ts";
import { UsageError } from "./command/read.ts";
import { folderFlags } from "./folder_flags.ts";

const FORMATS = ["sharegpt", "openai", "alpaca", "parquet"] as const;

export const exportRecords = command({
  name: "export",
  summary: "turns recorded files into a data set",
  about:
    `Reads records, in files or folders, and writes a data set to standard output; without FILE those of
the gateway. What was read, left out and written is said on standard error.`,
  operands: { placeholder: "[FILE...]" },
  flags: {
    format: withDefault(
      oneOf("F", FORMATS),
      "sharegpt",
      "sharegpt or alpaca (one JSON array), openai (messages, JSONL) or parquet (typed)",
    ),
    to: optional(oneOf("F", FORMATS), "another name for --format"),
    ...folderFlags,
    output: optional(
      path("FILE"),
      "write here instead; an existing file is replaced when the new one is whole",
    ),
    model: repeated(text("NAME"), "only answers of this model"),
    since: optional(
      text("TIME"),
      "only answers that began at TIME or later: 2026-01-31 or 2026-01-31T12:00",
    ),
    until: optional(text("TIME"), "only answers that began before TIME"),
    finish: repeated(text("REASON"), "only answers that ended so (stop, length, tool_calls)"),
    "min-turns": optional(
      text("N"),
      "only conversations of N turns or more, system prompts not counted",
    ),
    "without-policy-hits": toggle("leave out conversations in which policies did something"),
    dedupe: toggle("leave out conversations that came before, word for word"),
    "include-incomplete": toggle("where no FILE is named: cut, aborted and failed answers, too"),
  },
  examples: [
    "simple-ai-gateway export > train.json",
    "simple-ai-gateway export --format openai --model deepseek-r1 --finish stop --dedupe --output train.jsonl",
    "simple-ai-gateway export --format parquet --output train.parquet",
    "simple-ai-gateway export --format alpaca data/requests_responses/202601*.jsonl > alpaca.json",
  ],
}, async ({ values, operands }) => {
  const [{ formats }, { readFilter }, { exportTo }, { dataDirOf }] = await Promise.all([
    import("../record/export/formats.ts"),
    import("../record/export/filter.ts"),
    import("./export/convert.ts"),
    import("./data_dir.ts"),
  ]);
  const some = (list: string[]) => list.length === 0 ? undefined : list;
  const filter = readFilter({ ...values, model: some(values.model), finish: some(values.finish) });
  if (typeof filter === "string") throw new UsageError(filter);
  // Files that are named are read wherever they lie.
  const dataDir = operands.length > 0 ? "" : values["data-dir"] ?? await dataDirOf(values.config);
  if (dataDir === null) return 1;
  const format = values.to ?? values.format;
  return await exportTo({
    format,
    form: formats[format],
    files: operands,
    dataDir,
    withIncomplete: values["include-incomplete"],
    output: values.output,
    filter,
  });
});
