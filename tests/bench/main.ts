// `deno task bench`: CPU time, memory and delays of the gateway beside nginx and HAProxy, in alternating
// runs before the same instance. One table, with the ratio to nginx of the same runs.

import { parseArgs } from "node:util";
import { buildPrograms, type Programs } from "./build.ts";
import {
  type Contender,
  startGateway,
  startHaproxy,
  startNginx,
  startUpstream,
} from "./contenders.ts";
import { cpuSeconds, memoryMiB } from "./process_tree.ts";
import { document } from "./report.ts";
import { checkout, comparison, OTHER, removeCheckout } from "./against.ts";
import { type Row, ROWS } from "./rows.ts";
import { median, type Result, table } from "./table.ts";

const HELP = `deno task bench [options]

  --smoke            every row once, for a second; fails only when an answer is wrong
  --row NAME         only this row (may be given several times): ${
  ROWS.map((r) => r.name).join(", ")
}
  --runs N           alternating runs of each row (default 3)
  --seconds N        length of each run (default 5)
  --executable FILE  measure a compiled gateway
  --against COMMIT   the gateway of that commit beside this one, in turn; says better, same or worse
  --config JSON      options of the gateway's configuration, for both of them
  --write            also write docs/performance.md`;

/** What the load generator prints. */
interface Load {
  requests: number;
  chunks: number;
  wrong: number;
  first_p50_ms: number;
  first_p99_ms: number;
  delay_p50_ms: number;
  delay_p99_ms: number;
  cpu_s: number;
}

async function load(program: string, port: number, row: Row, seconds: number): Promise<Load> {
  const { connections, chunks, paceMs, promptBytes } = row;
  const kind = chunks > 0 ? "stream" : "json";
  const args = [port, connections, seconds, kind, chunks, paceMs, promptBytes].map(String);
  const { stdout, stderr } = await new Deno.Command(program, { args }).output();
  const text = new TextDecoder();
  const complaint = text.decode(stderr);
  if (complaint !== "") console.error(complaint.trimEnd());
  return JSON.parse(text.decode(stdout));
}

/** One run of one row through one contender. */
async function measure(
  programs: Programs,
  contender: Contender,
  row: Row,
  seconds: number,
): Promise<Result> {
  const before = contender.pid === null ? 0 : await cpuSeconds(contender.pid);
  const begun = performance.now();
  const made = await load(programs.load, contender.port, row, seconds);
  const tookS = (performance.now() - begun) / 1000;
  const used = contender.pid === null ? 0 : await cpuSeconds(contender.pid) - before;
  const units = row.chunks > 0 ? made.chunks : made.requests;
  return {
    contender: contender.name,
    row,
    cpuUs: used * 1e6 / units,
    perSecond: units / tookS,
    firstMs: [made.first_p50_ms, made.first_p99_ms],
    delayMs: [made.delay_p50_ms, made.delay_p99_ms],
    memory: contender.pid === null ? { now: 0, peak: 0 } : await memoryMiB(contender.pid),
    loadCpuUs: made.cpu_s * 1e6 / units,
    wrong: made.wrong,
  };
}

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      smoke: { type: "boolean" },
      row: { type: "string", multiple: true },
      runs: { type: "string", default: "3" },
      seconds: { type: "string", default: "5" },
      executable: { type: "string" },
      against: { type: "string" },
      config: { type: "string", default: "{}" },
      write: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const wanted = ROWS.filter((row) => values.row?.includes(row.name) ?? true);
  const runs = values.smoke ? 1 : Number(values.runs);
  const seconds = values.smoke ? 1 : Number(values.seconds);
  const folder = await Deno.makeTempDir({ prefix: "gateway-bench-" });
  const config = JSON.parse(values.config);
  const results: Result[] = [];
  const started: Contender[] = [];
  let startMs: number | null = null;
  try {
    const programs = await buildPrograms(folder);
    const root = values.against === undefined ? null : await checkout(values.against, folder);
    for (const row of wanted) {
      // Fresh processes for each row: its memory is its own.
      const upstream = await startUpstream(programs.upstream);
      started.push(upstream);
      for (const start of root === null ? [startNginx, startHaproxy] : []) {
        const contender = await start(folder, upstream.port);
        if (contender !== null) started.push(contender);
      }
      if (root !== null) {
        started.push(await startGateway(folder, upstream.port, { root, config, name: OTHER }));
      }
      const { executable } = values;
      const gateway = await startGateway(folder, upstream.port, { executable, config });
      started.push(gateway);
      startMs = startMs === null ? gateway.startMs : Math.min(startMs, gateway.startMs);
      if (!values.smoke) {
        for (const contender of started) await load(programs.load, contender.port, row, seconds);
      }
      for (let run = 0; run < runs; run++) {
        for (const contender of started) {
          results.push(await measure(programs, contender, row, seconds));
        }
      }
      while (started.length > 0) await started.pop()!.stop();
      if (!values.smoke) console.error(`${row.title}: done`);
    }
  } finally {
    for (const contender of started) await contender.stop();
    if (values.against !== undefined) await removeCheckout(folder);
    await Deno.remove(folder, { recursive: true });
  }
  console.log(values.against === undefined ? table(results) : comparison(results));
  console.log(`start to first answer: ${Math.round(startMs ?? 0)} ms`);
  if (values.write) await document(results, startMs ?? 0, runs, seconds);
  const wrong = results.reduce((sum, result) => sum + result.wrong, 0);
  if (wrong > 0) {
    const through = new Set(results.filter((one) => one.wrong > 0).map((one) => one.contender));
    console.error(`${wrong} wrong answers, through ${[...through].join(", ")}`);
  }
  return wrong > 0 || !Number.isFinite(median(results.map((result) => result.perSecond))) ? 1 : 0;
}

Deno.exit(await main(Deno.args));
