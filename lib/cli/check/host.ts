// Whether `host` is one that this machine can listen on.

import { isIP } from "node:net";
import type { Config } from "../../config/config.ts";
import { scarceIn } from "../../machine/scarcity.ts";
import { cannotListen } from "../../process/words.ts";

export interface UnfitHost {
  /** As the gateway would say it at its start. */
  readonly words: string;
  /** An address that may well be the one of another machine, for which the file is checked here. */
  readonly isElsewhere: boolean;
}

/** null where it can be listened on. Any port will do: the one of the file may be a running gateway's. */
export async function unfitHost(
  { host, port }: Pick<Config, "host" | "port">,
): Promise<UnfitHost | null> {
  try {
    Deno.listen({ hostname: host, port: 0 }).close();
    return null;
  } catch (error) {
    const what = scarceIn(error);
    // Without permission, or without a file to try it with, nothing is known.
    if (what === "files" || error instanceof Deno.errors.NotCapable) return null;
    const isElsewhere = what === "ports" && isIP(host) !== 0;
    return { words: await cannotListen(host, port, error), isElsewhere };
  }
}
