// What the whole gateway costs behind each of its listeners: CPU of its process for a JSON request and
// for a chunk of a stream, in alternating runs before the same instance.
// `deno run -A tests/bench/listeners.ts [--rounds N] [--seconds N]` prints a table of
// docs/decisions/http1.md.

import { parseArgs } from "node:util";
import { buildPrograms } from "./build.ts";
import { type Contender, startGateway, startUpstream } from "./contenders.ts";
import { cpuSeconds } from "./process_tree.ts";

const LISTENERS = ["http1", "deno_serve"] as const;
const WORK = [
  { title: "JSON request, 64 connections", unit: "requests", args: ["64", "json", "0"] },
  { title: "chunk, 16 streams of 500", unit: "chunks", args: ["16", "stream", "500"] },
] as const;
const PROMPT_BYTES = "400";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
  },
});

/** CPU microseconds of `gateway` for each unit of the work. */
async function measure(load: string, gateway: Contender, work: typeof WORK[number]) {
  const [connections, kind, chunks] = work.args;
  const before = await cpuSeconds(gateway.pid!);
  const { stdout } = await new Deno.Command(load, {
    args: [
      ...[String(gateway.port), connections, values.seconds, kind, chunks, "0", PROMPT_BYTES],
    ],
  }).output();
  const made = JSON.parse(new TextDecoder().decode(stdout));
  if (made.wrong > 0) throw new Error(`${gateway.name}: ${made.wrong} wrong answers`);
  return (await cpuSeconds(gateway.pid!) - before) * 1e6 / made[work.unit];
}

async function compare(folder: string): Promise<void> {
  const programs = await buildPrograms(folder);
  const upstream = await startUpstream(programs.upstream);
  const gateways: Contender[] = [];
  try {
    for (const name of LISTENERS) {
      const config = { listener: name };
      gateways.push(await startGateway(folder, upstream.port, { name, config }));
    }
    console.log("| CPU µs a … (median, lowest to highest) | http1 | deno_serve | difference |");
    console.log("| --- | --- | --- | --- |");
    for (const work of WORK) {
      const runs = gateways.map(() => [] as number[]);
      for (const gateway of gateways) await measure(programs.load, gateway, work);
      for (let round = 0; round < Number(values.rounds); round++) {
        for (const [at, gateway] of gateways.entries()) {
          runs[at].push(await measure(programs.load, gateway, work));
        }
      }
      const sorted = runs.map((run) => run.sort((a, b) => a - b));
      const middle = sorted.map((run) => run[run.length >> 1]);
      const shown = sorted.map((run, at) =>
        `${middle[at].toFixed(1)} (${run[0].toFixed(1)} to ${run.at(-1)!.toFixed(1)})`
      );
      const difference = (middle[1] - middle[0]).toFixed(1);
      console.log(`| ${work.title} | ${shown.join(" | ")} | ${difference} |`);
    }
  } finally {
    for (const gateway of gateways) await gateway.stop();
    await upstream.stop();
  }
}

const folder = await Deno.makeTempDir({ prefix: "gateway-bench-" });
try {
  await compare(folder);
} finally {
  await Deno.remove(folder, { recursive: true });
}
