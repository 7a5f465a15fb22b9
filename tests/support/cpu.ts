// What work costs this thread of the processor, for tests of cost: the clock tells of a loaded machine, and the
// processor time of the whole process of the tests that run beside this one.

import { readFileSync } from "node:fs";

import process from "node:process";
/** The CPU time of this thread alone in milliseconds; elsewhere than on Linux in steps of ten. */
export function threadCpuMs(): number {
  if (Deno.build.os !== "linux") {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  }
  return Number(readFileSync("/proc/thread-self/schedstat", "latin1").split(" ")[0]) / 1e6;
}

/** What `work` costs, in milliseconds of this thread. */
export function cpuMsOf(work: () => void): number {
  const before = threadCpuMs();
  work();
  return threadCpuMs() - before;
}
