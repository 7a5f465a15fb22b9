// `dev`: the whole thing on a fresh machine, simulated instances included.

import { command } from "./command/command.ts";
import { FLAGS, serveBy } from "./serve.ts";

const PORTS = [8001, 8002];

export const dev = command({
  name: "dev",
  summary: "two simulated instances and the gateway, reloaded on save",
  about: `Starts two simulated vLLM instances on ports ${PORTS.join(" and ")} and the gateway on ` +
    "config.jsonc.\nEdit config.jsonc while it runs: the change is in force as soon as it is saved.",
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
    return await serveBy(values, { adminLocal: true });
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
