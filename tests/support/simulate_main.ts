// The `simulate` command by itself, so that tests of it need nothing of the gateway.

import { simulate } from "../../lib/cli/simulate.ts";

Deno.exit(await simulate.run(Deno.args));
