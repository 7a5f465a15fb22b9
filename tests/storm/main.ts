// `deno task storm`: the storm with flags, its counts as one table, and an exit code that says whether
// any client noticed anything. With `--recovery`, the measurements of recovery.ts.

import { parseArgs } from "node:util";
import { variant } from "../support/processes.ts";
import { KEY_VIOLATIONS, keysStorm } from "./keys_storm.ts";
import { measureRecovery } from "./recovery.ts";
import { storm, type StormReport, VIOLATIONS } from "./storm.ts";

const HELP = `Usage: deno task storm [options]

  --seconds N             how long (60)
  --streams N             clients at work at any time (500)
  --instances N           simulated instances (5)
  --tokens-per-second N   speed of one answer (10)
  --workers N             isolates of the gateway (1)
  --transport NAME        auto or fetch (auto)
  --seed N                the same storm again, as far as clocks allow (by the time)
  --quiet                 no line for each trouble
  --keys N                instead, the storm with so many keys: aborts, limits that change, dying workers
  --recovery              instead, measure how long failures and returns take (five minutes)
`;

const { values } = parseArgs({
  options: {
    "help": { type: "boolean", short: "h" },
    "seconds": { type: "string", default: "60" },
    "streams": { type: "string", default: "500" },
    "instances": { type: "string", default: "5" },
    "tokens-per-second": { type: "string", default: "10" },
    "workers": { type: "string", default: "1" },
    "transport": { type: "string", default: String(variant().config.transport ?? "auto") },
    "seed": { type: "string", default: String(Date.now() % 1_000_000) },
    "quiet": { type: "boolean", default: false },
    "keys": { type: "string" },
    "recovery": { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  Deno.exit(0);
}
if (values.transport !== "auto" && values.transport !== "fetch") {
  console.error("--transport: expected auto or fetch");
  Deno.exit(2);
}

if (values.recovery) {
  console.log("\n" + await measureRecovery(console.error));
  Deno.exit(0);
}

const begun = performance.now();
const options = {
  seconds: Number(values.seconds),
  streams: Number(values.streams),
  instances: Number(values.instances),
  workers: Number(values.workers),
  transport: values.transport,
  seed: Number(values.seed),
  tokensPerSecond: Number(values["tokens-per-second"]),
  onTrouble: (what: string) => {
    if (values.quiet) return;
    console.log(`${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${what}`);
  },
} as const;

if (values.keys !== undefined) {
  const report = await keysStorm({
    ...options,
    clients: options.streams,
    keys: Number(values.keys),
  });
  const { complaints, ...counts } = report;
  for (const [name, count] of Object.entries(counts)) console.log(`${name.padEnd(18)} ${count}`);
  for (const complaint of complaints) console.log(complaint);
  Deno.exit(KEY_VIOLATIONS.every((name) => report[name] === 0) ? 0 : 1);
}

const report = await storm(options);
console.log(summary(report));
Deno.exit(VIOLATIONS.every((name) => report[name] === 0) ? 0 : 1);

function summary(report: StormReport): string {
  const { kills, stops, restarts, reloads, answers, failovers, resumes, complaints } = report;
  const rows: [string, string | number][] = [
    ["storm", `${values.seconds} s, ${values.streams} streams, ${values.instances} instances`],
    ["gateway", `${values.workers} workers, transport ${values.transport}, seed ${values.seed}`],
    ["trouble", `${kills} kills, ${stops} stops, ${restarts} restarts, ${reloads} reloads`],
    ["answers", answers],
    ["failovers", failovers],
    ["resumes", Object.entries(resumes).map(([way, n]) => `${n} ${way}`).join(", ") || 0],
    ...VIOLATIONS.map((name): [string, number] => [name, report[name]]),
  ];
  return [...rows.map(([name, value]) => `${name.padEnd(18)} ${value}`), ...complaints].join("\n");
}
