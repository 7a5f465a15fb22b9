// How the executable runs, whichever way it was made: what it may do, and how V8 keeps its memory.

/**
 * Config decides hosts and paths while the gateway runs, so net, read, write and env are whole;
 * programs, libraries and remote code are shut. Flags for `deno compile` and `deno run` alike; whoever runs
 * the executable cannot widen them.
 */
export const PERMISSION_FLAGS: readonly string[] = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  // How much space is left for records, where an alert comes from, and how much memory there is.
  "--allow-sys=statfs,hostname,systemMemoryInfo",
  "--deny-run",
  "--deny-ffi",
  "--deny-import",
];

/**
 * A third less memory under a thousand streams, at no cost that could be measured
 * (docs/decisions/memory.md). The tasks of deno.json have them too.
 */
export const V8_FLAGS =
  "--v8-flags=--no-allocation-site-pretenuring,--max-semi-space-size=8,--heap-growing-percent=130";
