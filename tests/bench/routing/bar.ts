// Holds the router to the bar of the routing simulation, seed by seed, and several gateways with notes to what one
// of them has:
//
//   deno task bar:routing [SEEDS]
//
// Exit code 1 where a row of the bar is missed, or three gateways lose more than two points of hits.

import { policies } from "./adapter.ts";
import type { EngineSize } from "./simulation/engine.ts";
import { type Figures, Fleet } from "./simulation/fleet.ts";
import { WORKLOADS } from "./simulation/workloads.ts";

/** At most so many seconds of TTFT, at least that share of hits, at most that imbalance. */
interface Row {
  readonly workload: string;
  readonly engine?: Partial<EngineSize>;
  readonly p90: number;
  readonly p99: number;
  readonly hits: number;
  readonly imbalance: number;
}

export const BAR: readonly Row[] = [
  { workload: "a", p90: 0.4, p99: 1, hits: 0.84, imbalance: 1.9 },
  { workload: "a60", p90: 8, p99: 16, hits: 0.8, imbalance: 1.8 },
  { workload: "az", p90: 0.7, p99: 2, hits: 0.82, imbalance: 1.7 },
  { workload: "b", p90: 0.12, p99: 0.4, hits: 0.8, imbalance: 1.7 },
  { workload: "c", p90: 0.5, p99: 1.3, hits: 0, imbalance: 1.3 },
  { workload: "d", p90: 0.12, p99: 0.2, hits: 0.8, imbalance: 1.3 },
  { workload: "e", p90: 0.25, p99: 0.8, hits: 0.86, imbalance: 2.4 },
  { workload: "f", p90: 0.7, p99: 1.5, hits: 0.6, imbalance: 1.6 },
  { workload: "g", p90: 0.9, p99: 6, hits: 0.36, imbalance: 1.5 },
  { workload: "j", p90: 0.8, p99: 1.5, hits: 0.65, imbalance: 2.2 },
  { workload: "d", engine: { maxSeqs: 24 }, p90: 0.6, p99: 3, hits: 0.8, imbalance: 1.6 },
  { workload: "az", engine: { blocks: 5000 }, p90: 14, p99: 30, hits: 0.7, imbalance: 1.8 },
];
export const SEEDS: readonly number[] = [1, 2, 3, 4, 5];
/** Workloads on which three gateways are compared with one. */
export const SHARED: readonly string[] = ["a", "b", "az", "a60"];
/** Of hits, that three gateways with notes may lose. */
export const POINTS = 2;

export function ours(workload: string, seed: number, engine?: Partial<EngineSize>): Figures {
  return new Fleet(WORKLOADS[workload], policies.ours, { seed, engine }).run();
}

/** Three gateways that tell each other every 0.1 s. */
export function three(workload: string, seed: number): Figures {
  return new Fleet(WORKLOADS[workload], policies["ours+notes"], { seed, gateways: 3 }).run();
}

/** What of the row is missed; empty for nothing. */
export function missed(row: Row, { p90, p99, hits, imbalance, unanswered }: Figures): string {
  const wrong: string[] = [];
  if (!(p90 <= row.p90)) wrong.push(`p90 ${p90.toFixed(2)} s above ${row.p90}`);
  if (!(p99 <= row.p99)) wrong.push(`p99 ${p99.toFixed(2)} s above ${row.p99}`);
  if (!(hits >= row.hits)) wrong.push(`hits ${hits.toFixed(3)} below ${row.hits}`);
  if (!(imbalance <= row.imbalance)) {
    wrong.push(`busiest ${imbalance.toFixed(2)} times the mean, above ${row.imbalance}`);
  }
  if (unanswered > 0) wrong.push(`${unanswered} without an answer`);
  return wrong.join(", ");
}

/** For people. */
export function figuresText({ p90, p99, hits, imbalance }: Figures): string {
  return `p90 ${p90.toFixed(2)} s, p99 ${p99.toFixed(2)} s, hits ${(100 * hits).toFixed(1)} %, ` +
    `busiest ${imbalance.toFixed(2)}`;
}

function run(seeds: readonly number[]): boolean {
  let misses = 0;
  const say = (wrong: string, name: string, figures: Figures) => {
    if (wrong !== "") misses++;
    const text = wrong === "" ? figuresText(figures) : `${figuresText(figures)}: ${wrong}`;
    console.log(`  ${wrong === "" ? "ok  " : "FAIL"} ${name.padEnd(24)} ${text}`);
  };
  for (const seed of seeds) {
    console.log(`seed ${seed}, one gateway`);
    for (const row of BAR) {
      const figures = ours(row.workload, seed, row.engine);
      const size = row.engine === undefined ? "" : ` ${JSON.stringify(row.engine)}`;
      say(missed(row, figures), row.workload + size, figures);
    }
    console.log(`seed ${seed}, three gateways with notes`);
    for (const workload of SHARED) {
      const [alone, shared] = [ours(workload, seed), three(workload, seed)];
      const lost = 100 * (alone.hits - shared.hits);
      say(lost > POINTS ? `${lost.toFixed(1)} points of hits lost` : "", workload, shared);
    }
  }
  console.log(misses === 0 ? "all kept" : `${misses} missed`);
  return misses === 0;
}

if (import.meta.main) {
  const [seeds = SEEDS.join()] = Deno.args;
  Deno.exit(run(seeds.split(",").map(Number)) ? 0 : 1);
}
