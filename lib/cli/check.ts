// `check`: validates a config file without starting anything; with `--live`, asks its instances, too.

import { command } from "./command/command.ts";
import { toggle } from "./command/flag.ts";
import { configFlag, readOrSay } from "./config_file.ts";
import { amount } from "./amount.ts";

export const check = command({
  name: "check",
  summary: "validates a config file, and asks its instances",
  flags: {
    config: configFlag("file to check"),
    print: toggle("also print the effective configuration, secrets masked"),
    live: toggle(
      "also ask each instance for its models, with the key and by the names of the file",
    ),
  },
  details:
    `Exits with 0, or with 1 and every problem as file:line:column: message. With --live each instance
gets a line: ok, or what is wrong, in its own words.`,
  examples: [
    "simple-ai-gateway check",
    "simple-ai-gateway check --config /etc/simple-ai-gateway/config.jsonc --print",
    "simple-ai-gateway check --live",
  ],
}, async ({ values }) => {
  const loaded = await readOrSay(values.config);
  if (loaded === null) return 1;
  const { instances, tls } = loaded.config;
  if (tls !== null) {
    const { expiryProblem } = await import("../config/certificate.ts");
    const expired = expiryProblem(tls, Date.now());
    if (expired !== null) {
      console.error(`${values.config}: ${expired}`);
      return 1;
    }
  }
  const { unfitHost } = await import("./check/host.ts");
  const unfit = await unfitHost(loaded.config);
  if (unfit !== null && !unfit.isElsewhere) {
    console.error(`${values.config}: ${unfit.words}`);
    return 1;
  }
  if (values.print) {
    const { maskSecrets } = await import("../config/mask.ts");
    console.log(JSON.stringify(maskSecrets(loaded.options), null, 2));
  } else {
    console.error(
      `${values.config}: ok, ${amount(instances.length, "instance")}`,
    );
  }
  const { doubtsAbout } = await import("../config/doubts.ts");
  for (const doubt of doubtsAbout(loaded.config, Date.now())) console.error(`warning: ${doubt}`);
  if (unfit !== null) console.error(`warning: ${unfit.words}`);
  const { leftBehind } = await import("./check/left_behind.ts");
  for (const doubt of await leftBehind(loaded.config)) console.error(`warning: ${doubt}`);
  if (!values.live) return 0;
  const { askInstances } = await import("./check/live.ts");
  const found = await askInstances(instances);
  for (const { line } of found) console.error(line);
  return found.every(({ ok }) => ok) ? 0 : 1;
});
