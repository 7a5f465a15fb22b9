// What a process and its descendants have used, from /proc (Linux).

/** Fields of /proc/PID/stat after the command's name, which may hold spaces. */
async function fields(pid: number): Promise<string[] | null> {
  try {
    const text = await Deno.readTextFile(`/proc/${pid}/stat`);
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch (error) {
    // It has ended since it was listed.
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** `root` and everything that descends from it. */
export async function processTree(root: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await fields(Number(name));
    if (stat !== null) parents.set(Number(name), Number(stat[1]));
  }
  const tree = [root];
  for (const pid of tree) {
    for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  }
  return tree;
}

/** CPU seconds (user and system, all threads) that the living processes of the tree have used. */
export async function cpuSeconds(root: number): Promise<number> {
  let ticks = 0;
  for (const pid of await processTree(root)) {
    const stat = await fields(pid);
    if (stat !== null) ticks += Number(stat[11]) + Number(stat[12]);
  }
  // USER_HZ is 100 on every Linux that this runs on.
  return ticks / 100;
}

/** Resident memory of the tree now, and the sum of its processes' highest, in MiB. */
export async function memoryMiB(root: number): Promise<{ now: number; peak: number }> {
  const sum = { now: 0, peak: 0 };
  for (const pid of await processTree(root)) {
    let status: string;
    try {
      status = await Deno.readTextFile(`/proc/${pid}/status`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue;
      throw error;
    }
    const kiB = (name: string) => Number(status.match(`${name}:\\s+(\\d+)`)?.[1] ?? 0);
    sum.now += kiB("VmRSS") / 1024;
    sum.peak += kiB("VmHWM") / 1024;
  }
  return sum;
}
