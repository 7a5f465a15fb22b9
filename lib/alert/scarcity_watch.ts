// The alert that the system gives this process no more connections: what to raise, and when it is over.

import type { Scarce } from "../machine/scarcity.ts";
import type { Bell } from "./bell.ts";

/** It is over when nothing was refused for so long. */
const QUIET_MS = 10_000;

const SUBJECTS: Readonly<Record<Scarce, string>> = {
  files: "open files",
  ports: "ports",
  buffers: "socket memory",
};

const ADVICE: Readonly<Record<Scarce, string>> = {
  files:
    "no file descriptor is left for connections; raise the limit of open files: `ulimit -n`, " +
    "LimitNOFILE= in a systemd unit, --ulimit nofile= of a container (or fs.file-max, for all)",
  ports: "no port is left for connections to an instance; widen net.ipv4.ip_local_port_range, " +
    "or give the instance more addresses",
  buffers: "the system has no memory left for sockets; raise net.ipv4.tcp_mem, or add memory",
};

export class ScarcityWatch {
  readonly #refusedAt = new Map<Scarce, number>();

  constructor(
    private readonly bell: Bell,
    /** Milliseconds of a clock that never goes back. */
    private readonly now: () => number,
  ) {}

  /** A connection was refused for want of `what`. */
  note(what: Scarce): void {
    if (!this.#refusedAt.has(what)) {
      this.bell.raise("system_limit", SUBJECTS[what], ADVICE[what]);
    }
    this.#refusedAt.set(what, this.now());
  }

  tick(): void {
    for (const [what, refusedAt] of this.#refusedAt) {
      if (this.now() - refusedAt < QUIET_MS) continue;
      this.#refusedAt.delete(what);
      this.bell.end("system_limit", SUBJECTS[what], `nothing was refused for ${QUIET_MS / 1000} s`);
    }
  }
}
