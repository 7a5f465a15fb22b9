// `policies`: what is in force for whom, and what it would have done to yesterday's traffic.

import { command } from "./command/command.ts";
import { optional, repeated, toggle } from "./command/flag.ts";
import { path, text } from "./command/kind.ts";
import { UsageError } from "./command/read.ts";
import { configFlag, readOrSay } from "./config_file.ts";

export const policies = command({
  name: "policies",
  summary: "lists the policies in force, and tries them on records or a text",
  flags: {
    config: configFlag("file with the policies"),
    model: optional(text("NAME"), "only what applies to this model; for test, the model of TEXT"),
    key: optional(text("NAME"), "only what applies to this key"),
    records: repeated(path("FILE"), "recorded conversations to try the policies on", {
      group: "For test",
    }),
    against: optional(path("FILE"), "another configuration, to compare", { group: "For test" }),
    json: toggle("one JSON object, for programs", { group: "For test" }),
  },
  operands: { placeholder: "list | test [TEXT]", words: ["list", "test"] },
  details:
    `test looks at what was asked as at a request of today, and at the answer that was given; a TEXT is
tried as both. It asks no model for an answer. It says how often each policy acts, with ids of
examples, what would have been cut, how long that took, and what it saved. Guards that are models or
web services are asked. The words that were found are not shown.`,
  examples: [
    "simple-ai-gateway policies list --model qwen3 --key web",
    "simple-ai-gateway policies test 'My card is 4111 1111 1111 1111'",
    "simple-ai-gateway policies test --records data/requests_responses/20261126_14.jsonl",
    "simple-ai-gateway policies test --records yesterday.jsonl --against new.jsonc",
  ],
}, async ({ values, operands: [word, ...rest] }) => {
  if (word !== "list" && word !== "test") throw new UsageError("expected `list` or `test`");
  const loaded = await readOrSay(values.config);
  if (loaded === null) return 1;
  if (word === "list") {
    if (rest.length > 0) throw new UsageError("list takes flags only");
    const { listed } = await import("./policies/list.ts");
    for (const line of listed(loaded.config.policies, values)) console.log(line);
    return 0;
  }
  if (rest.length > 1 || (rest.length === 0) === (values.records.length === 0)) {
    throw new UsageError("test takes either one TEXT or --records FILE");
  }
  const { report, samplesOf, textSample, tried } = await import("./policies/test.ts");
  const configs = [loaded.config];
  if (values.against !== undefined) {
    const other = await readOrSay(values.against);
    if (other === null) return 1;
    configs.push(other.config);
  }
  const model = values.model ?? loaded.config.instances[0]?.models[0] ?? "";
  // Read anew for each: records are more than memory holds.
  const samples = () =>
    rest.length === 1 ? [textSample(rest[0], model, values.key ?? "")] : samplesOf(values.records);
  const results = [];
  for (const config of configs) results.push(await tried(config, samples()));
  if (values.json) console.log(JSON.stringify(results, null, 2));
  else {
    const names = [values.config, values.against ?? ""];
    results.forEach((result, at) => {
      if (results.length > 1) console.log(`${at === 0 ? "" : "\n"}${names[at]}`);
      for (const line of report(result)) console.log(line);
    });
  }
  return 0;
});
