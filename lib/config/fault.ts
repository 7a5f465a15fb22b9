// What is wrong with the meaning of an option whose form is right.

import type { Path } from "./path.ts";

/** `path` is where it stands, in the config file or in the keys file. */
export interface Fault {
  path: Path;
  message: string;
  inKeysFile?: boolean;
}
