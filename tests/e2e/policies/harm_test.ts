// A plugin that loops or fills its memory, and a webhook that hangs, are their own requests' trouble: what
// others wait does not change, and the process has its memory back.

import assert from "node:assert/strict";
import { join } from "node:path";
import { cpuMsOfThreads, isolateThreads } from "../../support/cpu.ts";
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

/** What one after the other of others' requests costs and meets, until there are enough of them and `isEnough`. */
async function others(
  ask: () => Promise<void>,
  pid: number,
  harms: () => number,
  isEnough = () => true,
): Promise<{ p99: number; undisturbed: number }> {
  const [main] = isolateThreads(pid)!;
  const costs: number[] = [];
  let undisturbed = 0;
  while (costs.length < ROUNDS || !isEnough()) {
    const [before] = cpuMsOfThreads([main]);
    const harmsBefore = harms();
    await ask();
    costs.push(cpuMsOfThreads([main])[0] - before);
    if (harms() === harmsBefore) undisturbed++;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  costs.sort((a, b) => a - b);
  return {
    p99: costs[Math.floor(costs.length * 0.99)],
    undisturbed: undisturbed / costs.length,
  };
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
            timeout: 0.5,
          },
          { name: "office", type: "webhook", models: ["hung"], url: hook.url, timeout: 0.5 },
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
      const harms = { loop: 0, hog: 0, hung: 0 };
      // A webhook that has hung often is soon asked no more: its requests end at once.
      const harmsEnded = () => harms.loop + harms.hog;
      const good = (isEnough?: () => boolean) =>
        others(() => ask("good"), gateway.pid, harmsEnded, isEnough);
      await good();
      const before = await rssOf(gateway.pid);
      const quiet = await good();
      let harming = true;
      const harm = async (kind: keyof typeof harms, model: string, content: string) => {
        while (harming) {
          await ask(model, content);
          harms[kind]++;
        }
      };
      const all = Promise.all([
        harm("loop", "bad", "loop"),
        harm("hog", "bad", "hog"),
        harm("hung", "hung", "hi"),
      ]);
      const harmed = await good(() => Object.values(harms).every((count) => count >= 10));
      harming = false;
      await all;
      const figures = JSON.stringify({ quiet, harmed, harms });
      assert.ok(harmed.p99 < quiet.p99 * 3 + 40, figures);
      // Who waits for harm has it end before each of its answers.
      assert.ok(harmed.undisturbed > 1 / 2, figures);
      let after = 0;
      await waitFor(
        async () => {
          after = await rssOf(gateway.pid);
          return after < before + 80;
        },
        () => `${before} MB before, ${after} MB after`,
      );
      console.log(`${figures}; ${before} MB, ${after} MB`);
    } finally {
      ended.resolve();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
