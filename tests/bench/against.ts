// Two commits beside each other: the gateway as it was and as it is, in turn before the same instance.

import { join } from "node:path";
import { median, type Result } from "./table.ts";

/** What the gateway of the other commit is called. */
export const OTHER = "other";
const GATEWAY = "gateway";
/** A difference below this share is noise, whatever the runs say. */
const NOISE = 0.02;

async function git(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("git", { args }).output();
  if (!success) throw new Error(`git ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Lays `commit` out below `folder`; returns where. */
export async function checkout(commit: string, folder: string): Promise<string> {
  const root = join(folder, "checkout");
  await git("worktree", "add", "--detach", root, commit);
  return root;
}

export async function removeCheckout(folder: string): Promise<void> {
  await git("worktree", "remove", "--force", join(folder, "checkout"));
}

/**
 * A line for each row: CPU time of each unit before and now, their ratio run by run (median, least and
 * most), and what that says: all runs but one on the same side of noise, or "same". Behind it what clients
 * wait for a first chunk and for a chunk that was sent, p50 and p99, in both.
 */
export function comparison(results: readonly Result[]): string {
  const lines = [
    "| work | CPU µs before | now | ratio (least to most) | verdict | first chunk, ms before | now | " +
    "chunk delay, ms before | now | RSS MiB before | now |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
  ];
  for (const row of new Set(results.map((result) => result.row))) {
    const of = (name: string) =>
      results.filter((result) => result.row === row && result.contender === name);
    const [before, now] = [of(OTHER), of(GATEWAY)];
    const ratios = now.map((one, run) => one.cpuUs / before[run].cpuUs).sort((a, b) => a - b);
    const share = (fits: (ratio: number) => boolean) => ratios.filter(fits).length;
    const verdict = ratios.length === 1
      ? "one run"
      : share((ratio) => ratio < 1 - NOISE) >= ratios.length - 1
      ? "better"
      : share((ratio) => ratio > 1 + NOISE) >= ratios.length - 1
      ? "worse"
      : "same";
    const cpu = (of: readonly Result[]) => median(of.map(({ cpuUs }) => cpuUs)).toFixed(1);
    const rss = (of: readonly Result[]) => median(of.map(({ memory }) => memory.now)).toFixed(0);
    const wait = (of: readonly Result[], which: "firstMs" | "delayMs") =>
      [0, 1].map((at) => median(of.map((one) => one[which][at])))
        .map((ms) => Number.isFinite(ms) ? ms.toFixed(2) : "–").join(" / ");
    const [least, most] = [ratios[0], ratios.at(-1)!].map((ratio) => ratio.toFixed(3));
    lines.push(
      `| ${row.title} | ${cpu(before)} | ${cpu(now)} | ${
        median(ratios).toFixed(3)
      } (${least} to ${most}) | ${verdict} | ${wait(before, "firstMs")} | ${
        wait(now, "firstMs")
      } | ${wait(before, "delayMs")} | ${wait(now, "delayMs")} | ${rss(before)} | ${rss(now)} |`,
    );
  }
  return lines.join("\n");
}
