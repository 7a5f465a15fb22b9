// `dev`: the whole thing on a fresh machine, simulated instances included.

import { command } from "./command/command.ts";
import { CONFIG_FILE, isThere } from "./config_file.ts";
import { FLAGS, serveBy, serveOn } from "./serve.ts";

const NAMED_ALONE = { model: undefined, key: undefined, keyVariable: undefined };
const PORTS = [8001, 8002];

export const dev = command({
  name: "dev",
  summary: "two simulated instances and the gateway, reloaded on save",
  about: `Starts two simulated vLLM instances on ports ${PORTS.join(" and ")} and the gateway on ` +
    "config.jsonc.\nEdit config.jsonc while it runs: the change is in force as soon as it is saved. " +
    "Where there\nis none, the two instances are served as they are.",
  flags: FLAGS,
  examples: [
    "simple-ai-gateway dev",
    `curl http://127.0.0.1:9999/v1/chat/completions -H 'content-type: application/json' \\
  -d '{"model":"demo","messages":[{"role":"user","content":"hello"}]}'`,
  ],
}, async ({ values }) => {
  const { startSimulated } = await import("../simulate/instance.ts");
  const instances = [];
  try {
    for (const port of PORTS) {
      const instance = await startSimulated({ port, models: ["demo"] });
      instances.push(instance);
      console.error(`simulated vLLM listening on ${instance.url} (demo)`);
    }
    // On one's own machine the dashboard shows the records, too.
    const more = { adminLocal: true };
    if (values.config !== CONFIG_FILE || await isThere(CONFIG_FILE)) {
      return await serveBy(values, more);
    }
    const { configurationOf } = await import("./serve/without_file.ts");
    const urls = instances.map(({ url }) => url);
    const read = await configurationOf({ ...NAMED_ALONE, instances: urls });
    return read === null ? 1 : await serveOn(read, null, values, more);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    console.error(
      `dev needs ports ${PORTS.join(" and ")} for its simulated instances; one is taken: ` +
        "end the other `dev`, or start the gateway alone by `serve`",
    );
    return 1;
  } finally {
    for (const instance of instances) await instance.close();
  }
});
