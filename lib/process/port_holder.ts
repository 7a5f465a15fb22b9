// Who has a port that the gateway was to listen on, as far as can be seen: another gateway says so itself,
// and Linux tells the process where the gateway may read /proc (the executable may not).

/** A server on this host answers at once or not at all. */
const ASK_MS = 1000;
/** TCP_LISTEN in /proc/net/tcp. */
const LISTENING = "0A";

/** Such as "another gateway (version 1.0.0, since 2026-01-31 12:00:00, pid 4711)"; null if it cannot be told. */
export async function portHolder(hostname: string, port: number): Promise<string | null> {
  const process = processWith(port);
  const gateway = await gatewayAt(hostname, port);
  if (gateway === null) return process === null ? null : `${process.name} (pid ${process.pid})`;
  const facts = [
    gateway.version === undefined ? [] : [`version ${gateway.version}`],
    [`since ${gateway.since}`],
    [process?.pid ?? gateway.pid].flatMap((pid) => pid === undefined ? [] : [`pid ${pid}`]),
  ];
  return `another gateway (${facts.flat().join(", ")})`;
}

interface OtherGateway {
  /** Told to users of this host only. */
  version?: string;
  pid?: number;
  /** Local time. */
  since: string;
}

async function gatewayAt(hostname: string, port: number): Promise<OtherGateway | null> {
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
  try {
    const response = await fetch(
      `http://${host.includes(":") ? `[${host}]` : host}:${port}/health`,
      { redirect: "error", signal: AbortSignal.timeout(ASK_MS) },
    );
    const said: Record<string, unknown> = await response.json();
    const { version, pid, uptime_seconds: uptimeS, strategy } = said;
    if (typeof uptimeS !== "number" || typeof strategy !== "string") return null;
    return {
      since: localTime(new Date(Date.now() - uptimeS * 1000)),
      ...typeof version === "string" ? { version } : {},
      ...typeof pid === "number" ? { pid } : {},
    };
  } catch {
    // Not HTTP, no JSON, or no answer: some other server.
    return null;
  }
}

function localTime(time: Date): string {
  const two = (part: number) => String(part).padStart(2, "0");
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ` +
    [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
}

function processWith(port: number): { name: string; pid: number } | null {
  try {
    const sockets = listeningOn(port);
    for (const { name: pid } of sockets.size === 0 ? [] : Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(pid) || !holds(pid, sockets)) continue;
      return { name: Deno.readTextFileSync(`/proc/${pid}/comm`).trim(), pid: Number(pid) };
    }
  } catch {
    // Another system, or the gateway may not read there.
  }
  return null;
}

/** Inodes of the sockets that listen on `port`. */
function listeningOn(port: number): Set<string> {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of Deno.readTextFileSync(table).split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === LISTENING && fields[1].endsWith(`:${wanted}`)) inodes.add(fields[9]);
    }
  }
  return inodes;
}

function holds(pid: string, sockets: ReadonlySet<string>): boolean {
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/${pid}/fd/${name}`));
      if (inode !== null && sockets.has(inode[1])) return true;
    }
  } catch {
    // Somebody else's process, or one that has ended meanwhile.
  }
  return false;
}
