// A plugin that loops or fills its memory, and a webhook that hangs, are their own requests' trouble: what
// others wait does not change, and the process has its memory back.

import assert from "node:assert/strict";
import { join } from "node:path";
import { startGateway } from "../../support/processes.ts";
import { completion, startUpstream } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";

const PLUGIN = `export default { prompt({ texts }) {
  const all = [];
  if (texts[0].text === "loop") for (;;);
  for (;;) all.push(new Uint8Array(1e6).fill(1));
} };`;
const ROUNDS = 150;

async function rssOf(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024;
}

/** The 99th percentile of what requests of others take, in milliseconds, one after the other. */
async function p99(ask: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    await ask();
    times.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return times.sort((a, b) => a - b)[Math.floor(ROUNDS * 0.99)];
}

Deno.test({
  name: "58: while plugins loop and allocate and a webhook hangs, others wait no longer",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using upstream = startUpstream(() => completion("hello"));
    const ended = Promise.withResolvers<void>();
    await using hook = startUpstream(async () => {
      await ended.promise;
      return Response.json("pass");
    });
    const folder = await Deno.makeTempDir();
    await Deno.writeTextFile(join(folder, "own.ts"), PLUGIN);
    await using gateway = await startGateway({
      config: {
        instances: [{ url: upstream.url, model_name: ["good", "bad", "hung"] }],
        policies: [
          {
            name: "own",
            type: "plugin",
            models: ["bad"],
            file: join(folder, "own.ts"),
            timeout: 0.05,
          },
          { name: "office", type: "webhook", models: ["hung"], url: hook.url, timeout: 0.3 },
        ],
      },
    });
    const ask = async (model: string, content = "hi") => {
      const body = { model, messages: [{ role: "user", content }] };
      const answer = await gateway.post("/v1/chat/completions", body);
      await answer.body?.cancel();
      assert.equal(answer.status, 200);
    };
    try {
      await ask("good");
      await ask("bad", "loop");
      await p99(() => ask("good"));
      const before = await rssOf(gateway.pid);
      const figures: string[] = [];
      let isUnharmed = false;
      // A machine that stands still does so now and then; harm would be done each time.
      while (!isUnharmed && figures.length < 3) {
        const quiet = await p99(() => ask("good"));
        let harming = true;
        const harm = async (model: string, content: string) => {
          while (harming) await ask(model, content);
        };
        const all = Promise.all([harm("bad", "loop"), harm("bad", "hog"), harm("hung", "hi")]);
        const harmed = await p99(() => ask("good"));
        harming = false;
        await all;
        // The machine has few cores, and one of them is busy with the plugin: some of that is not ours.
        isUnharmed = harmed < quiet * 3 + 40;
        figures.push(`p99 ${quiet.toFixed(1)} ms in quiet, ${harmed.toFixed(1)} ms beside harm`);
      }
      assert.ok(isUnharmed, figures.join("; "));
      let after = 0;
      await waitFor(
        async () => {
          after = await rssOf(gateway.pid);
          return after < before + 80;
        },
        () => `${before} MB before, ${after} MB after`,
      );
      console.log(`${figures.at(-1)}; ${before} MB, ${after} MB`);
    } finally {
      ended.resolve();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
