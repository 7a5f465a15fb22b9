// A plugin's file as the script that the sandbox runs: TypeScript without its types, one module that
// imports nothing.

import { stripTypeScriptTypes } from "node:module";

/** A plugin's file that cannot be run; the message says where. */
export class PluginSourceError extends Error {
  override readonly name = "PluginSourceError";
}

/** How the runtime calls a text without a name. */
const OWN_NAME = "file:///stripTypeScriptTypes.ts";

/** The JavaScript of `text`, line for line. Throws PluginSourceError. */
export function plainScript(text: string, file: string): string {
  try {
    return stripTypeScriptTypes(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new PluginSourceError(
      message.includes(OWN_NAME) ? message.replace(OWN_NAME, file) : `${file}: ${message}`,
    );
  }
}
