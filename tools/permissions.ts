// What the executable may do, whichever way it was made. Config decides hosts and paths while the
// gateway runs, so net, read, write and env are whole; programs, libraries and remote code are shut.

/** Flags for `deno compile` and `deno run` alike; whoever runs the executable cannot widen them. */
export const PERMISSION_FLAGS: readonly string[] = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  // How much space is left for records, and where an alert comes from.
  "--allow-sys=statfs,hostname",
  "--deny-run",
  "--deny-ffi",
  "--deny-import",
];
