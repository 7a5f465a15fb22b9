// A plugin of one function, in an isolate of its own.

import { Plugin } from "../../lib/policy/plugin/plugin.ts";
import { plainScript } from "../../lib/config/plugin_script.ts";

/** The program, which a plugin's isolate begins with. */
export const MODULE = new URL("../../main.ts", import.meta.url).href;

/** `body` is that of its function for prompts, which is given `input`. */
export function plugin(
  body: string,
  options: { timeoutMs?: number; now?: () => number } = {},
): Plugin {
  const script = plainScript(`export default { prompt(input) { ${body} } };`, "own.ts");
  return new Plugin({ module: MODULE, script, file: "own.ts", timeoutMs: 500, ...options });
}
