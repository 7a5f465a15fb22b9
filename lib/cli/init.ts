// `init`: asks the instances what they serve, and writes an annotated configuration that can be used as
// it is.

import { command } from "./command/command.ts";
import { repeated, toggle, withDefault } from "./command/flag.ts";
import { path, text, whole } from "./command/kind.ts";
import { CONFIG_FILE } from "./config_file.ts";
import { ADDRESS, instanceFlag, keyFlag, keyIn, modelFlag } from "./instance_flags.ts";

export const init = command({
  name: "init",
  summary: "writes a configuration for the instances that it finds",
  about:
    `Asks each instance for its models and writes an annotated configuration. Without --instance it
looks for servers on this host and, in a terminal, asks.`,
  flags: {
    instance: instanceFlag("address of an instance, such as http://10.0.0.5:8000"),
    fallback: repeated(ADDRESS, "address of a fallback instance"),
    model: modelFlag,
    "api-key-env": keyFlag(
      "environment variable with the key of the instances; the file names it, it does not hold the key",
    ),
    host: withDefault(text("ADDRESS"), "0.0.0.0", "where the gateway listens"),
    port: withDefault(whole("PORT", 1, 65_535), "9999", "and on which port"),
    "data-dir": withDefault(path("DIR"), "./data", "folder of records"),
    output: withDefault(path("FILE"), CONFIG_FILE, "file to write; - for standard output"),
    force: toggle("replace a file that is there"),
  },
  details:
    "Exits with 0 when the file was written, 1 when it was not, 2 for a mistake in the flags.",
  examples: [
    "simple-ai-gateway init",
    "simple-ai-gateway init --instance http://10.0.0.5:8000 --instance http://10.0.0.6:8000",
    "simple-ai-gateway init --instance http://10.0.0.5:8000 --api-key-env VLLM_API_KEY --output -",
  ],
}, async ({ values }) => {
  const variable = values["api-key-env"];
  const key = keyIn(variable);
  if (key === null) return 1;
  const { writeConfiguration } = await import("./init/write.ts");
  return await writeConfiguration({
    instances: values.instance,
    fallbacks: values.fallback,
    model: values.model,
    key,
    keyVariable: variable,
    host: values.host,
    port: values.port,
    dataDir: values["data-dir"],
    output: values.output,
    replace: values.force,
  });
});
