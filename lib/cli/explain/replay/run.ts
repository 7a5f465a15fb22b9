// `explain --replay`: what the strategies would have brought for one's own recorded traffic, model by model.

import { strategies } from "../../../pool/balancing/strategies.ts";
import { printable } from "../../printable.ts";
import { type Brought, recorded, replay } from "./replay.ts";
import { type Arrival, MAX_RECORDS, trafficIn } from "./traffic.ts";

export interface Replayed {
  readonly model: string;
  readonly instances: number;
  readonly rows: readonly Brought[];
}

export interface ReplayAsked {
  readonly paths: readonly string[];
  /** None: all that there are. */
  readonly strategies: readonly string[];
  /** undefined: as many as have answered. */
  readonly instances: number | undefined;
  readonly kvTokens: number;
  readonly tokensPerSecond: number;
}

/** The names in lists such as `a,b`. Throws RangeError for one that is no strategy. */
export function strategiesIn(lists: readonly string[]): string[] {
  const names = lists.flatMap((list) => list.split(",")).map((name) => name.trim());
  const wrong = names.find((name) => !Object.hasOwn(strategies, name));
  if (wrong !== undefined) {
    const known = Object.keys(strategies).join(", ");
    throw new RangeError(`--strategy: expected some of ${known}, got ${JSON.stringify(wrong)}`);
  }
  return names.length === 0 ? Object.keys(strategies) : [...new Set(names)];
}

/** Throws an Error with what to do where nothing can be replayed. */
export async function replayRecords(asked: ReplayAsked): Promise<
  { models: Replayed[]; passedOver: number; isCut: boolean }
> {
  const { arrivals, passedOver } = await trafficIn(asked.paths);
  if (arrivals.length === 0) throw new Error(`no records in ${asked.paths.join(", ")}`);
  const { kvTokens, tokensPerSecond } = asked;
  const models = Object.entries(Object.groupBy(arrivals, ({ model }) => model)).map(
    ([model, own]): Replayed => {
      const names = namesFor(own!, asked.instances);
      const rows = strategiesIn(asked.strategies).map((strategy) =>
        replay(strategy, own!, names, { kvTokens, tokensPerSecond })
      );
      return { model, instances: names.length, rows: [recorded(own!, names), ...rows] };
    },
  );
  return { models, passedOver, isCut: arrivals.length === MAX_RECORDS };
}

/** Names of those that have answered, the busiest first; made up where more are wanted. */
function namesFor(arrivals: readonly Arrival[], count: number | undefined): string[] {
  const answered = Map.groupBy(arrivals, ({ instance }) => instance);
  const names = [...answered.keys()].sort((a, b) =>
    answered.get(b)!.length - answered.get(a)!.length
  );
  const wanted = count ?? Math.max(2, names.length);
  return Array.from({ length: wanted }, (_, n) => names[n] ?? `instance-${n + 1}`);
}

const HEADS = ["strategy", "cached", "moved", "of turns", "busiest", "p50 s", "p90 s"];

/** The tables of all models. */
export function replayTable(models: readonly Replayed[]): string {
  return models.map(({ model, instances, rows }) => {
    const cells = [HEADS, ...rows.map(cellsOf)];
    const widths = HEADS.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
    const lines = cells.map((row) =>
      row.map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])
      ).join("  ").trimEnd()
    );
    const head = `model ${printable(model)}: ${rows[0].requests} requests, ${instances} instances`;
    return [head, ...lines.map((line) => `  ${line}`)].join("\n");
  }).join("\n\n");
}

function cellsOf({ strategy, hits, moved, turns, spread, p50, p90 }: Brought): string[] {
  return [
    strategy,
    hits === null ? "-" : `${(100 * hits).toFixed(1)} %`,
    String(moved),
    String(turns),
    `${spread.toFixed(2)} x`,
    p50 === null ? "-" : p50.toFixed(2),
    p90 === null ? "-" : p90.toFixed(2),
  ];
}
