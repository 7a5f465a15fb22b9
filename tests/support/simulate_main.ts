// The `simulate` command by itself, so that tests of it need nothing of the gateway.

import { run } from "../../lib/cli/simulate.ts";

Deno.exit(await run(Deno.args));
