// `dev`: the whole thing on a fresh machine, simulated instances included.

import { startSimulated } from "../simulate/instance.ts";
import * as serve from "./serve.ts";

export const summary = "two simulated instances and the gateway, reloaded on save";
export const help = `simple-ai-gateway dev [options of serve]

Starts two simulated vLLM instances on ports 8001 and 8002 and the gateway on config.jsonc.
Edit config.jsonc while it runs: the change is in force as soon as it is saved.

Example:
  simple-ai-gateway dev
  curl http://127.0.0.1:9999/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model":"demo","messages":[{"role":"user","content":"hello"}]}'`;

const PORTS = [8001, 8002];

export async function run(args: string[]): Promise<number> {
  const instances = [];
  try {
    for (const port of PORTS) {
      const instance = await startSimulated({ port, models: ["demo"] });
      instances.push(instance);
      console.error(`simulated vLLM listening on ${instance.url} (demo)`);
    }
    return await serve.run(args);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    console.error(
      `dev needs ports ${PORTS.join(" and ")} for its simulated instances; one is taken`,
    );
    return 1;
  } finally {
    for (const instance of instances) await instance.close();
  }
}
