// How much memory this process may use, as far as the system tells.

import { totalmem } from "node:os";
import process from "node:process";

/** Bytes of the machine, or of the container where that has a limit; null where it is not told. */
export function memoryBytes(): number | null {
  try {
    // Without a limit the system names a number that no machine has.
    const most = Math.min(process.constrainedMemory() || Infinity, totalmem());
    return most > 0 && Number.isFinite(most) ? most : null;
  } catch {
    // No permission to ask (--allow-sys=systemMemoryInfo).
    return null;
  }
}
