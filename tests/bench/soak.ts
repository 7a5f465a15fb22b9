// `deno task soak`: the gateway under mixed load for as long as it takes to see memory that is not given
// back. Recording is on; every answer is checked.

import { parseArgs } from "node:util";
import { buildPrograms } from "./build.ts";
import { type Contender, startGateway, startUpstream } from "./contenders.ts";
import { memoryMiB } from "./process_tree.ts";

export interface Soaked {
  /** Resident memory in MiB: before the load (warmed up), its highest, and after a rest. */
  startMiB: number;
  peakMiB: number;
  endMiB: number;
  answers: number;
  wrong: number;
  /** Requests that the gateway holds when all clients have left. */
  inFlight: number;
}

/** Runs `seconds` of mixed load: paced streams throughout, JSON in bursts beside them. */
export async function soak(
  seconds: number,
  streams: number,
  restS: number,
  onSample: (line: string) => void,
): Promise<Soaked> {
  const folder = await Deno.makeTempDir({ prefix: "gateway-soak-" });
  const started: Contender[] = [];
  try {
    const programs = await buildPrograms(folder);
    const upstream = await startUpstream(programs.upstream);
    started.push(upstream);
    const gateway = await startGateway(folder, upstream.port, {});
    started.push(gateway);
    const load = async (args: (string | number)[]) => {
      const { stdout } = await new Deno.Command(programs.load, {
        args: [gateway.port, ...args].map(String),
        stderr: "inherit",
      }).output();
      return JSON.parse(new TextDecoder().decode(stdout)) as { requests: number; wrong: number };
    };
    const sum = { answers: 0, wrong: 0 };
    const count = async (args: (string | number)[]) => {
      const { requests, wrong } = await load(args);
      sum.answers += requests;
      sum.wrong += wrong;
    };
    const mixed = (length: number) =>
      Promise.all([
        count([streams, length, "stream", 100, 20, 2000]),
        count([16, length, "json", 0, 0, 2000]),
      ]);
    // What the engine compiles and caches at first is no leak.
    await mixed(Math.min(10, seconds / 3));
    await rest(Math.min(restS, 5));
    const startMiB = (await memoryMiB(gateway.pid!)).now;
    const end = performance.now() + seconds * 1000;
    let peakMiB = startMiB;
    while (performance.now() < end) {
      await mixed(Math.min(10, seconds / 2));
      const { now } = await memoryMiB(gateway.pid!);
      peakMiB = Math.max(peakMiB, now);
      onSample(`${Math.round(now)} MiB after ${sum.answers} answers`);
    }
    await rest(restS);
    const endMiB = (await memoryMiB(gateway.pid!)).now;
    const health = await (await fetch(`http://127.0.0.1:${gateway.port}/health`)).json();
    const inFlight = health.instances.reduce(
      (all: number, one: { in_flight: number }) => all + one.in_flight,
      0,
    );
    return { startMiB, peakMiB, endMiB, ...sum, inFlight };
  } finally {
    for (const contender of started) await contender.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

function rest(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "10" },
      streams: { type: "string", default: "200" },
    },
  });
  const soaked = await soak(Number(values.minutes) * 60, Number(values.streams), 60, console.log);
  const ratio = soaked.endMiB / soaked.startMiB;
  console.log(
    `${soaked.answers} answers, ${soaked.wrong} wrong, ${soaked.inFlight} in flight at the end; ` +
      `RSS ${Math.round(soaked.startMiB)} MiB at the start, ${
        Math.round(soaked.peakMiB)
      } at most, ` +
      `${Math.round(soaked.endMiB)} after a rest (${ratio.toFixed(2)} of the start, reach ≤ 1.3)`,
  );
  Deno.exit(soaked.wrong === 0 && soaked.inFlight === 0 ? 0 : 1);
}
