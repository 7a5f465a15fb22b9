// `records`: what has to be done with records beside reading them.

import { command } from "./command/command.ts";
import { optional, toggle } from "./command/flag.ts";
import { text } from "./command/kind.ts";
import { UsageError } from "./command/read.ts";
import { folderFlags } from "./folder_flags.ts";
import { MOMENT } from "./since.ts";

export const records = command({
  name: "records",
  summary: "deletes what is recorded of a client or key, or of before a time",
  about:
    `Takes lines out of data/requests_responses, data/incomplete, data/flagged and data/requests, packed
files among them; where several conditions are given, all must hold. It may run beside the gateway.`,
  flags: {
    client: optional(text("ADDRESS"), "of this client"),
    key: optional(text("NAME"), "of this key"),
    before: optional(MOMENT, "that came before then: 30d, 2026-01-31, 2026-01-31T12:00"),
    "dry-run": toggle("only say how many there are"),
    ...folderFlags,
  },
  operands: { placeholder: "delete", words: ["delete"] },
  details:
    `Sums of tokens and costs (data/usage) stay; those of a client are told as those of others from then
on. Alerts (data/errors) stay, too. What was exported before is not touched.`,
  examples: [
    "simple-ai-gateway records delete --key alice --dry-run",
    "simple-ai-gateway records delete --client 10.0.0.7 --before 30d",
  ],
}, async ({ values, operands: [word, ...more] }) => {
  if (word !== "delete" || more.length > 0) throw new UsageError("expected `delete`");
  const { client, key, before } = values;
  if (client === undefined && key === undefined && before === undefined) {
    throw new UsageError("expected --client, --key or --before: nothing is deleted without");
  }
  const [{ deleteRecords }, { dataDirToRead }] = await Promise.all([
    import("./records/delete.ts"),
    import("./data_dir.ts"),
  ]);
  const dataDir = await dataDirToRead(values);
  if (dataDir === null) return 1;
  return await deleteRecords(dataDir, { client, key, before }, values["dry-run"]);
});
