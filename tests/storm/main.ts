// `deno task storm`: one minute of trouble, and whether anybody noticed.

import { parseArgs } from "node:util";
import { storm } from "./storm.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    streams: { type: "string", default: "500" },
    instances: { type: "string", default: "5" },
    workers: { type: "string", default: "1" },
    transport: { type: "string", default: "auto" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    quiet: { type: "boolean", default: false },
  },
});

console.log(
  `${values.streams} streams over ${values.instances} instances for ${values.seconds} s ` +
    `(workers ${values.workers}, transport ${values.transport}, seed ${values.seed})`,
);
const report = await storm({
  seconds: Number(values.seconds),
  streams: Number(values.streams),
  instances: Number(values.instances),
  tokens: 60,
  tokensPerSecond: 10,
  seed: Number(values.seed),
  workers: Number(values.workers),
  transport: values.transport === "fetch" ? "fetch" : "auto",
  onEvent: (line) => values.quiet || console.log(`  ${line}`),
});
const resumes = Object.entries(report.resumes).map(([way, count]) => `${count} by ${way}`);
console.log(
  `${report.answers} answers: ${report.failed} failed, ${report.truncated} truncated, ` +
    `${report.wrong} wrong; ${report.inFlight} leases left, ${report.recordsWrong} records wrong\n` +
    `${report.kills} kills, ${report.stops} stops, ${report.reloads} reloads; ` +
    `${report.failovers} answers from more than one attempt, resumed ${
      resumes.join(", ") || "none"
    }`,
);
for (const complaint of report.complaints) console.error(complaint);
const bad = report.failed + report.truncated + report.wrong + report.inFlight + report.recordsWrong;
Deno.exit(bad === 0 ? 0 : 1);
