// The isolate that shapes heavy records, without the rest of the program.

import { runShaper, type ShaperScope } from "../../lib/record/shape/worker.ts";

runShaper(globalThis as unknown as ShaperScope);
