// `deno task bench`: CPU time, memory and delays of the gateway beside nginx and HAProxy, in alternating
// runs before the same instance. One table, with the ratio to nginx of the same runs.

import { parseArgs } from "node:util";
import { buildPrograms } from "./build.ts";
import { lookingFor } from "./policies/words.ts";
import {
  type Contender,
  startGateway,
  startHaproxy,
  startNginx,
  startUpstream,
} from "./contenders.ts";
import { load, measure } from "./measure.ts";
import { document } from "./report.ts";
import { checkout, comparison, OTHER, removeCheckout } from "./against.ts";
import { ROWS } from "./rows.ts";
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
  --beside JSON      this gateway with these options in turn with it, instead of nginx and HAProxy
  --words N          this gateway looks for N phrases in answers, in turn with one that does not
  --bearer KEY       what the clients bring as their key
  --write            also write docs/performance.md`;

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
      beside: { type: "string" },
      words: { type: "string" },
      bearer: { type: "string" },
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
  const given = JSON.parse(values.config);
  const { bearer } = values;
  const isBeside = values.beside !== undefined || values.words !== undefined;
  const beside = isBeside ? JSON.parse(values.beside ?? "{}") : null;
  const config = values.words === undefined
    ? given
    : { ...given, ...await lookingFor(Number(values.words), folder) };
  const isAlone = values.against === undefined && beside === null;
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
      for (const start of isAlone ? [startNginx, startHaproxy] : []) {
        const contender = await start(folder, upstream.port);
        if (contender !== null) started.push(contender);
      }
      if (root !== null) {
        started.push(await startGateway(folder, upstream.port, { root, config, name: OTHER }));
      }
      if (beside !== null) {
        started.push(
          await startGateway(folder, upstream.port, { config: beside, bearer, name: OTHER }),
        );
      }
      const { executable } = values;
      const gateway = await startGateway(folder, upstream.port, { executable, config, bearer });
      started.push(gateway);
      startMs = startMs === null ? gateway.startMs : Math.min(startMs, gateway.startMs);
      if (!values.smoke) {
        for (const contender of started) {
          await load(programs.load, contender, row, seconds, bearer);
        }
      }
      for (let run = 0; run < runs; run++) {
        for (const contender of started) {
          results.push(await measure(programs, contender, row, seconds, bearer));
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
  console.log(isAlone ? table(results) : comparison(results));
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
