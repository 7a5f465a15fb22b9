// What work costs this thread of the processor, for tests of cost: the clock tells of a loaded machine, and the
// processor time of the whole process of the tests that run beside this one.

import { readdirSync, readFileSync } from "node:fs";
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

/**
 * The threads of another process in which its isolates run now, the main one and its workers; null elsewhere than on
 * Linux.
 */
export function isolateThreads(pid: number): string[] | null {
  if (Deno.build.os !== "linux") return null;
  return readdirSync(`/proc/${pid}/task`)
    .map((tid) => `/proc/${pid}/task/${tid}`)
    .filter((path) =>
      path.endsWith(`/${pid}`) || readFileSync(`${path}/comm`, "latin1").startsWith("worker-")
    );
}

/** The CPU time of each of these threads in milliseconds; the clock's where there are none. */
export function cpuMsOfThreads(threads: readonly string[] | null): number[] {
  return threads === null
    ? [performance.now()]
    : threads.map((path) =>
      Number(readFileSync(`${path}/schedstat`, "latin1").split(" ")[0]) / 1e6
    );
}
