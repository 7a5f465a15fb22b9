// Arguments to command, nothing else.

import { commands, main } from "./lib/cli/main.ts";

Deno.exitCode = await main(Deno.args, commands);
// Whatever a command has left open must not keep a finished process alive.
Deno.exit();
