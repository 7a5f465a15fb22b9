// One run of one row through one contender: what its clients saw, and what it cost.

import type { Programs } from "./build.ts";
import type { Contender } from "./contenders.ts";
import { cpuSeconds, memoryMiB } from "./process_tree.ts";
import type { Row } from "./rows.ts";
import type { Result } from "./table.ts";

/** What the load generator prints. */
interface Load {
  requests: number;
  chunks: number;
  wrong: number;
  first_p50_ms: number | null;
  first_p99_ms: number | null;
  delay_p50_ms: number | null;
  delay_p99_ms: number | null;
  cpu_s: number;
}

/** How many chunks each stream of `row` has, so that all of them together are not more than a contender's. */
export function chunksOf(row: Row, { chunksATurn = Infinity }: Pick<Contender, "chunksATurn">) {
  return Math.min(row.chunks, Math.floor(chunksATurn / row.connections));
}

/** Lets the clients of `row` ask `contender` for some seconds. */
export async function load(
  program: string,
  contender: Contender,
  row: Row,
  seconds: number,
  bearer?: string,
): Promise<Load> {
  const { connections, paceMs, promptBytes } = row;
  const chunks = chunksOf(row, contender);
  const kind = chunks > 0 ? "stream" : "json";
  const args = [contender.port, connections, seconds, kind, chunks, paceMs, promptBytes].map(
    String,
  );
  if (bearer !== undefined) args.push(bearer);
  const { stdout, stderr } = await new Deno.Command(program, { args }).output();
  const text = new TextDecoder();
  const complaint = text.decode(stderr);
  if (complaint !== "") console.error(complaint.trimEnd());
  return JSON.parse(text.decode(stdout));
}

/** One run of one row through one contender. */
export async function measure(
  programs: Programs,
  contender: Contender,
  row: Row,
  seconds: number,
  bearer?: string,
): Promise<Result> {
  const before = contender.pid === null ? 0 : await cpuSeconds(contender.pid);
  const begun = performance.now();
  const made = await load(programs.load, contender, row, seconds, bearer);
  const tookS = (performance.now() - begun) / 1000;
  const used = contender.pid === null ? 0 : await cpuSeconds(contender.pid) - before;
  const units = row.chunks > 0 ? made.chunks : made.requests;
  return {
    contender: contender.name,
    row,
    cpuUs: used * 1e6 / units,
    perSecond: units / tookS,
    firstMs: [made.first_p50_ms ?? NaN, made.first_p99_ms ?? NaN],
    delayMs: [made.delay_p50_ms ?? NaN, made.delay_p99_ms ?? NaN],
    memory: contender.pid === null ? { now: 0, peak: 0 } : await memoryMiB(contender.pid),
    loadCpuUs: made.cpu_s * 1e6 / units,
    wrong: made.wrong,
  };
}
