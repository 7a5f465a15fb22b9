// The Python environment that prepare.sh makes.

import { join } from "node:path";

const cache = Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "", ".cache");
/** Its folder. */
export const environment = join(cache, "simple-ai-gateway-tests", "python-clients-2");

/** Whether it was made. */
export async function isReady(): Promise<boolean> {
  try {
    await Deno.stat(join(environment, "ready"));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
