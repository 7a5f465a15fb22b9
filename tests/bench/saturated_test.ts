// More streams than an isolate keeps up with: they are read less often, and every answer is whole.

import assert from "node:assert/strict";
import { buildPrograms } from "./build.ts";
import { startGateway, startUpstream } from "./contenders.ts";
import { load } from "./measure.ts";
import { waitFor } from "../support/wait.ts";

const hasCompiler = await new Deno.Command("gcc", { args: ["--version"] }).output().then(
  ({ success }) => success,
  (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  },
);

/** 120,000 chunks a second, of which an isolate passes a third on when each is a read of its own. */
const ROW = {
  name: "saturated",
  title: "600 streams, paced 5 ms",
  connections: 600,
  chunks: 200,
  paceMs: 5,
  promptBytes: 400,
  reach: null,
};

async function saturated(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^gateway_workers_saturated (\d+)$/m.exec(text)![1]);
}

Deno.test({
  name: "an isolate with too many streams says so, loses nothing, and is itself again (needs gcc)",
  // The load generator is in C; CI installs the compiler.
  ignore: !hasCompiler,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const programs = await buildPrograms(folder);
      const upstream = await startUpstream(programs.upstream);
      const gateway = await startGateway(folder, upstream.port);
      try {
        const loaded = load(programs.load, gateway, ROW, 5);
        await waitFor(async () => await saturated(gateway.port) === 1, "it to be saturated");
        const { requests, wrong } = await loaded;
        assert.equal(wrong, 0);
        assert.ok(requests >= ROW.connections, `${requests}`);
        await waitFor(async () => await saturated(gateway.port) === 0, "it to have room again");
      } finally {
        await gateway.stop();
        await upstream.stop();
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
