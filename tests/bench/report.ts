// docs/performance.md: the results with the machine that they were taken on.

import { join } from "node:path";
import { median, type Result, table } from "./table.ts";

const PATH = join(import.meta.dirname!, "../../docs/performance.md");

async function said(command: string, args: string[]): Promise<string> {
  try {
    const { stdout, stderr } = await new Deno.Command(command, { args }).output();
    const text = new TextDecoder();
    return (text.decode(stdout) + text.decode(stderr)).trim().split("\n")[0];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return `${command}: not installed`;
    throw error;
  }
}

/** The machine as lines of a list. */
export async function machine(): Promise<string[]> {
  const cpu = (await Deno.readTextFile("/proc/cpuinfo")).match(/model name\s*: (.*)/)?.[1];
  const memory = Number((await Deno.readTextFile("/proc/meminfo")).match(/MemTotal:\s+(\d+)/)![1]);
  return [
    `- ${navigator.hardwareConcurrency} cores (${
      cpu ?? "unknown"
    }), shared with everything else of the test, ` +
    `${Math.round(memory / 1024 / 1024)} GiB, Linux ${Deno.osRelease()}`,
    `- Deno ${Deno.version.deno}, V8 ${Deno.version.v8}`,
    `- ${await said("nginx", ["-v"])}`,
    `- ${await said("haproxy", ["-v"])}`,
    `- ${await said("gcc", ["--version"])}`,
  ];
}

/** Rewrites the measured part of the page; what stands behind the mark is kept. */
export async function document(
  results: readonly Result[],
  startMs: number,
  runs: number,
  seconds: number,
): Promise<void> {
  const MARK = "<!-- What follows is written by hand. -->";
  const before = await Deno.readTextFile(PATH).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  const kept = before.includes(MARK) ? before.slice(before.indexOf(MARK)) : `${MARK}\n`;
  const own = (name: string) => results.filter((result) => result.row.name === name);
  const direct = (name: string) =>
    median(own(name).filter((one) => one.contender === "direct").map((one) => one.perSecond));
  const generator = (name: string) =>
    median(own(name).filter((one) => one.contender === "direct").map((one) => one.loadCpuUs));
  const bottleneck = ["json-64", "sse-unpaced"].filter((name) => own(name).length > 0).map((name) =>
    `${own(name)[0].row.title}: ${Math.round(direct(name))} a second without a proxy, ` +
    `${generator(name).toFixed(1)} µs of the load generator's CPU each`
  );
  await Deno.writeTextFile(
    PATH,
    `# Performance

Measured by \`deno task bench --write --runs ${runs} --seconds ${seconds}\` on ${
      new Date().toISOString().slice(0, 10)
    }. CPU time is that of the whole process
tree for each request (JSON) or each chunk (streams). nginx and HAProxy log nothing; the gateway logs
and records every answer.

${table(results)}

Start to first answer: ${Math.round(startMs)} ms.

## Machine
${(await machine()).join("\n")}

## How to read it
- The contenders stand before the same instance (\`tests/bench/upstream.c\`) and are asked in turn by the same
  clients (\`tests/bench/load.c\`); figures are medians over the runs, ratios are taken run by run, after one
  run that is not counted. On a shared machine only the ratios mean something.
- Every answer is checked: each chunk there, in order, and a finish reason at the end.
- "Added" is the percentile through the contender minus the same percentile without one.
- The load generator is no bottleneck: ${bottleneck.join("; ")}.

${kept}`,
  );
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", PATH] }).output();
}
